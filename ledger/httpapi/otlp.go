package httpapi

import (
	collector "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// otlpResponse is the body of an OTLP answer (ExportLogsServiceResponse): rejected records are counted, and the request succeeds.
func otlpResponse(media string, rejected int) (contentType string, body []byte, err error) {
	r := &collector.ExportLogsServiceResponse{}
	if rejected > 0 {
		r.PartialSuccess = &collector.ExportLogsPartialSuccess{RejectedLogRecords: int64(rejected), ErrorMessage: "some records are not valid events; their resource or record attributes are missing or malformed"}
	}
	if media == "application/json" {
		body, err = protojson.Marshal(r)
		return media, body, err
	}
	body, err = proto.Marshal(r)
	return "application/x-protobuf", body, err
}
