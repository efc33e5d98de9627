package pgserver

import "os"

// AbsentVar is the environment variable that says, with the value "absent", that no PostgreSQL is meant to be on this machine.
const AbsentVar = "PROBITY_TEST_POSTGRES"

// MeantAbsent reports whether tests may go without PostgreSQL. In continuous integration (CI is set) they may not, whatever [AbsentVar] says.
func MeantAbsent() bool { return os.Getenv("CI") == "" && os.Getenv(AbsentVar) == "absent" }
