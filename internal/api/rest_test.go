package api

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestAnswerBeforeTheEnd: whoever sends all of a body that is refused at its beginning gets to know why, however slowly the body comes.
func TestAnswerBeforeTheEnd(t *testing.T) {
	h := newHarness(Options{})
	addr, stop := start(t, &Server{Handler: h})
	part := strings.Repeat("x", 1<<20)
	for name, head := range map[string]string{
		"too large, closing":    "POST /api/raw HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAuthorization: " + asWriter,
		"too large":             "POST /api/raw HTTP/1.1\r\nHost: h\r\nAuthorization: " + asWriter,
		"nobody":                "POST /api/raw HTTP/1.1\r\nHost: h\r\nConnection: close",
		"no such path":          "POST /api/nothing HTTP/1.1\r\nHost: h\r\nConnection: close",
		"an encoding of no-one": "POST /api/raw HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Encoding: br\r\nAuthorization: " + asWriter,
	} {
		t.Run(name, func(t *testing.T) {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			fmt.Fprintf(c, "%s\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n", head, 9<<20)
			for range 9 {
				if _, err := c.Write([]byte(part)); err != nil {
					t.Fatalf("the server does not take the body: %v", err)
				}
				time.Sleep(5 * time.Millisecond)
			}
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode < 400 || res.StatusCode >= 500 {
				t.Error(res.Status)
			}
		})
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}
