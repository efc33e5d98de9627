package pg

import "slices"

// settings are those of a machine with some gigabytes to spare and a table that is mostly written. None of them gives up
// durability.
var settings = [][2]string{
	{"shared_buffers", "1GB"},
	{"max_wal_size", "8GB"},
	{"min_wal_size", "1GB"},
	{"wal_buffers", "64MB"},
	{"synchronous_commit", "on"},
	{"fsync", "on"},
	{"full_page_writes", "on"},
	{"wal_compression", "lz4"},
	{"checkpoint_timeout", "15min"},
	{"checkpoint_completion_target", "0.9"},
	{"effective_cache_size", "6GB"},
	{"work_mem", "32MB"},
	{"maintenance_work_mem", "256MB"},
	{"random_page_cost", "1.1"},
	{"effective_io_concurrency", "200"},
	{"max_connections", "100"},
	{"jit", "off"},
	{"listen_addresses", "127.0.0.1"},
	{"log_min_messages", "warning"},
}

// Settings returns the settings that the peer is measured with; what is not among them is PostgreSQL's own.
func Settings() [][2]string { return slices.Clone(settings) }
