// Package testdata finds the real-world data that tests run on and that is kept outside the repository.
package testdata
