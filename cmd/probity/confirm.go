package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// confirm asks on the terminal whether to do what cannot be undone. Without a terminal, only --yes answers.
func confirm(c *cobra.Command, yes bool, question string) error {
	if yes {
		return nil
	}
	in, ok := c.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return usage("this cannot be undone; say --yes to do it without being asked")
	}
	fmt.Fprintf(c.ErrOrStderr(), "%s Type yes to go on: ", question)
	answer, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && answer == "" {
		return err
	}
	if !strings.EqualFold(strings.TrimSpace(answer), "yes") {
		return answerNo("nothing was changed")
	}
	return nil
}
