// Command provider serves the example OpenID provider of zitadel/oidc for the browser tests, and prints its address. POST /register with redirect_uri makes it know the client probity, whose secret is secret.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
)

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve() error {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	issuer := "http://" + l.Addr().String()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /register", func(_ http.ResponseWriter, r *http.Request) {
		storage.RegisterClients(storage.WebClient("probity", "secret", r.FormValue("redirect_uri")))
	})
	mux.Handle("/", exampleop.SetupServer(issuer, storage.NewStorage(storage.NewUserStore(issuer)), slog.New(slog.DiscardHandler), false))
	fmt.Println(issuer)
	return (&http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}).Serve(l)
}
