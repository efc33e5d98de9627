// Package stream sends a tenant's events on as they are recorded (mission row A10): to a signed webhook, to Splunk's HTTP Event Collector,
// to a syslog server over TLS, as NDJSON objects to a bucket that speaks S3, to NATS JetStream.
//
// A stream is a follower with a stored position in the log. It takes events from there in batches, oldest first, filtered, masked and encoded, and moves its position once the
// receiver has taken them: at least once, in order, nothing left out. A receiver that fails is tried again ever more slowly, then the stream is paused; the log keeps what it
// has not had, so that a resumed stream catches up, and one whose position is set back sends everything again under the same ids.
//
// It stores no events. How events are read, masked and encoded is the business of the [Source]; wire formats are those of package notify/send.
package stream
