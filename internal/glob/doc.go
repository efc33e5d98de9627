// Package glob matches the patterns that people write for actions, sources and paths: * stands for any text.
package glob
