// Package config reads the server's settings from flags, environment variables and one YAML file, in that order of precedence, over
// built-in defaults. [Settings] is the one table of what exists; docs/configuration.md is generated from it and a test keeps it true.
//
// It owns names, parsing and validation. It opens nothing and starts nothing: what a setting does is the business of whoever uses it.
package config
