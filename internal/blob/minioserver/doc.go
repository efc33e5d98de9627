// Package minioserver runs a MinIO server of our own, in an empty folder, for tests and benchmarks. The program is built once by scripts/minio.sh; it is never linked with ours and never shipped.
package minioserver
