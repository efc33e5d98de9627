package pgserver

import (
	"context"
	"io"
	"os/exec"
	"syscall"
)

// guard is a process that waits for the end of this one and then ends the server and removes its files.
type guard struct {
	cmd *exec.Cmd
	// alive is closed by the kernel when this process ends.
	alive io.WriteCloser
}

// guardScript ends when told so by a line, and cleans up at the end of its input.
const guardScript = `if read -r line; then exit; fi
pid=$(head -n 1 "$0/data/postmaster.pid" 2>/dev/null) && kill -QUIT "$pid" && while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
rm -rf "$0"`

// Guard ends the server and removes its files when this process ends without calling Close.
func (s *Server) Guard() error {
	cmd := exec.CommandContext(context.Background(), "/bin/sh", "-c", guardScript, s.dir)
	cmd.Dir, cmd.SysProcAttr = "/", &syscall.SysProcAttr{Setpgid: true} // what the keyboard sends to this process is not for it
	if s.who != nil {
		cmd.SysProcAttr.Credential = s.who.Credential
	}
	alive, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	s.guard = &guard{cmd: cmd, alive: alive}
	return nil
}

// dismiss ends the guard without any cleaning.
func (g *guard) dismiss() {
	_, _ = io.WriteString(g.alive, "done\n")
	_ = g.alive.Close()
	_ = g.cmd.Wait()
}
