// Package console holds the web console: a React application under src, built into dist and embedded here, and the handler
// that serves it. It owns the pages and how they are cached; it knows nothing of events, sessions or permissions, which the
// pages ask the API for. Package app mounts the handler behind everything that the API answers.
//
// dist is made by `make console`. On a checkout where that has not been run the package still compiles, and the handler says
// what is missing.
package console
