// Package yamlfile tells where in an operator's YAML file something stands, so that an error can name file and line.
package yamlfile
