package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"probity.dev/app"
	"probity.dev/cmd/probity/terminal"
	"probity.dev/internal/sqldb"
)

// migrating are the flags and the database of the migrate commands.
type migrating struct{ role string }

func newMigrate() *cobra.Command {
	c := &cobra.Command{
		Use: "migrate", Short: "Plan, apply and show changes of the database's schema, and give a role its rights", Args: cobra.NoArgs,
		Example: `  probity migrate plan --database postgres://probity_owner@db/probity
  probity migrate apply --database postgres://probity_owner@db/probity --app-role probity_app
  probity migrate status --database postgres://probity_owner@db/probity`,
		Long: `The tables of an installation on PostgreSQL can belong to one role, the owner, while servers sign in as another, the application role, which may add evidence but not change it, and
which gets rid of sealed rows only through a function that looks first whether they are sealed. The owner's address is needed for these commands alone:

  createuser probity_owner; createuser probity_app
  createdb --owner probity_owner --encoding UTF8 --template template0 probity
  probity migrate apply --database postgres://probity_owner@db/probity --app-role probity_app
  probity serve --database postgres://probity_app@db/probity --data /var/lib/probity

Before a new version of the program: "plan" shows what it would change, "apply" changes it while servers of the version before go on working, and then they are replaced one after the
other. A program works on its own schema and on the next one, and refuses any other.

Without an application role, a server that signs in as the owner migrates by itself when it starts, as a server on SQLite does.`,
	}
	c.AddCommand(newMigratePlan(), newMigrateApply(), newMigrateStatus(), newMigrateGrants())
	return c
}

// bind adds the flags of a command, and runs do with the open database.
func (m *migrating) bind(c *cobra.Command, do func(ctx context.Context, c *cobra.Command, db *sqldb.DB) error) {
	settings(c, "data", "database")
	c.Flags().StringVar(&m.role, "app-role", "", "role of the database that servers sign in as; it must exist (CREATE ROLE … LOGIN)")
	outputFlag(c, "text", "json")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := quiet(c)
		if err != nil {
			return err
		}
		db, err := app.Connect(c.Context(), cfg)
		if err != nil {
			return err
		}
		return errors.Join(do(c.Context(), c, db), db.Close())
	}
}

// planView is what would be done, for scripts.
type planView struct {
	*sqldb.Standing
	// Grants are statements for the application role, where there are tables already.
	Grants []string `json:"grants,omitempty"`
}

func newMigratePlan() *cobra.Command {
	c := &cobra.Command{
		Use: "plan", Short: "Show what apply would change", Args: cobra.NoArgs,
		Example: "  probity migrate plan --database postgres://probity_owner@db/probity\n  probity migrate plan --data ./data --sql",
		Long:    "Shows the migrations that the database lacks, with --sql their statements, and changes nothing. Exit code 0: whether there is something to do or not.",
	}
	var m migrating
	var withSQL bool
	c.Flags().BoolVar(&withSQL, "sql", false, "show the statements too")
	m.bind(c, func(ctx context.Context, c *cobra.Command, db *sqldb.DB) error {
		s, err := db.Standing(ctx)
		if err != nil {
			return err
		}
		v := planView{Standing: s}
		if m.role != "" && s.Version > 0 {
			if v.Grants, err = db.Grants(ctx, m.role); err != nil {
				return err
			}
		}
		if output(c) == "json" {
			return printJSON(c.OutOrStdout(), v)
		}
		printPlan(screen(c), v, m.role, withSQL)
		return nil
	})
	return c
}

func printPlan(s *terminal.Screen, v planView, role string, withSQL bool) {
	if len(v.Pending) == 0 {
		fmt.Fprintf(s, "Nothing to migrate: the schema has version %d.\n", v.Version)
	} else {
		fmt.Fprintf(s, "From schema %d to %d:\n", v.Version, v.Own)
	}
	for _, p := range v.Pending {
		fmt.Fprintf(s, "  %04d %s\n", p.Version, p.Name)
		if withSQL {
			up, _, _ := strings.Cut(p.SQL, "-- +goose Down")
			for line := range strings.Lines(strings.TrimSpace(up)) {
				if !strings.HasPrefix(line, "-- +goose") {
					fmt.Fprint(s, "    ", line)
				}
			}
			fmt.Fprintln(s)
		}
	}
	switch {
	case len(v.Grants) > 0 && withSQL:
		fmt.Fprintf(s, "Rights of %s:\n", terminal.Clean(role))
		for _, g := range v.Grants {
			fmt.Fprintf(s, "  %s;\n", terminal.Clean(g))
		}
	case role != "":
		fmt.Fprintf(s, "The role %s gets the rights of an application (probity migrate grants shows them).\n", terminal.Clean(role))
	}
	if !v.IsOwner {
		fmt.Fprintf(s, "The role %s may not apply this; the tables belong to %s.\n", terminal.Clean(v.Role), terminal.Clean(v.Owner))
	}
}

func newMigrateApply() *cobra.Command {
	c := &cobra.Command{
		Use: "apply", Short: "Bring the schema to this program's version and give the application role its rights", Args: cobra.NoArgs,
		Example: "  probity migrate apply --database-file owner.url --app-role probity_app",
		Long: `Applies the migrations that the database lacks, each in one transaction, and gives the role of --app-role exactly the rights that an application needs; rights beyond them on
Probity's tables are taken from it. Roles that were given these rights before get those on new tables without being named again. Repeating it does no harm.

Servers of the version before may go on running. While tables change, they wait.`,
	}
	var m migrating
	m.bind(c, func(ctx context.Context, c *cobra.Command, db *sqldb.DB) error {
		if m.role != "" {
			if err := db.CheckRole(ctx, m.role); err != nil {
				return err
			}
		}
		from, to, err := db.Migrate(ctx)
		if err != nil {
			return err
		}
		if m.role != "" {
			if err := db.Grant(ctx, m.role); err != nil {
				return err
			}
		}
		if output(c) == "json" {
			return printJSON(c.OutOrStdout(), map[string]any{"from": from, "to": to, "app_role": m.role})
		}
		s := screen(c)
		if from == to {
			fmt.Fprintf(s, "The schema has version %d; nothing was migrated.\n", to)
		} else {
			fmt.Fprintf(s, "The schema was brought from version %d to %d.\n", from, to)
		}
		if m.role != "" {
			fmt.Fprintf(s, "The role %s has the rights of an application.\n", terminal.Clean(m.role))
		}
		return nil
	})
	return c
}

func newMigrateStatus() *cobra.Command {
	c := &cobra.Command{
		Use: "status", Short: "Show the version of the schema, and what roles may do", Args: cobra.NoArgs,
		Example: "  probity migrate status --database postgres://probity_app@db/probity --output json",
		Long: `Shows the version of the schema, which programs can work on it, and what application roles lack or have beyond their need. It works with the address of any role.

Exit codes: 0 this program can work on the database as it is; 1 it cannot, or a role lacks rights or has too many; 3 the database cannot be asked.`,
	}
	var m migrating
	m.bind(c, func(ctx context.Context, c *cobra.Command, db *sqldb.DB) error {
		s, err := db.Standing(ctx)
		if err != nil {
			return err
		}
		ready, why := ready(s)
		if output(c) == "json" {
			if err := printJSON(c.OutOrStdout(), struct {
				*sqldb.Standing
				Ready   bool   `json:"ready"`
				Problem string `json:"problem,omitempty"`
			}{s, ready, why}); err != nil {
				return err
			}
		} else {
			printStatus(screen(c), s, why)
		}
		if !ready {
			return answerNo("")
		}
		return nil
	})
	return c
}

// ready says whether everything is as it should be, and what is not.
func ready(s *sqldb.Standing) (bool, string) {
	if err := s.Problem(); err != nil {
		return false, message(err)
	}
	if len(s.Pending) > 0 {
		return false, fmt.Sprintf("%s to apply: run probity migrate apply", terminal.Plural(len(s.Pending), "migration is", "migrations are"))
	}
	for _, r := range s.AppRoles {
		if len(r.Missing)+len(r.Excess) > 0 {
			return false, fmt.Sprintf("the role %s does not have exactly the rights that it needs: run probity migrate apply --app-role %s", r.Role, r.Role)
		}
	}
	return true, ""
}

func printStatus(s *terminal.Screen, v *sqldb.Standing, why string) {
	line := func(word, text string) { fmt.Fprintf(s, "%-12s %s\n", word, terminal.Clean(text)) }
	line("database", v.Kind)
	switch {
	case v.Version == 0:
		line("schema", "none")
	case v.Compatible > 0 && v.Compatible < v.Version:
		line("schema", fmt.Sprintf("%d, for programs with a schema from %d on", v.Version, v.Compatible))
	default:
		line("schema", fmt.Sprint(v.Version))
	}
	line("program", fmt.Sprintf("schema %d", v.Own))
	for _, p := range v.Pending {
		line("pending", fmt.Sprintf("%04d %s", p.Version, p.Name))
	}
	if v.Role != "" {
		line("owner", v.Owner)
		line("signed in", v.Role)
	}
	for _, r := range v.AppRoles {
		line("application", r.Role)
		for _, m := range r.Missing {
			line("", "lacks "+m)
		}
		for _, e := range r.Excess {
			line("", "has beyond its need "+e)
		}
	}
	if v.Role != "" && len(v.AppRoles) == 0 && v.Version > 0 {
		line("application", "none: who signs in as the owner may change everything")
	}
	if why != "" {
		fmt.Fprintln(s, "\n"+s.Paint(terminal.Bad, terminal.Clean(why)))
	}
}

func newMigrateGrants() *cobra.Command {
	c := &cobra.Command{
		Use: "grants", Short: "Print the statements that give the application role its rights", Args: cobra.NoArgs,
		Example: "  probity migrate grants --database-file owner.url --app-role probity_app > grants.sql",
		Long: `Prints, as SQL, what "apply --app-role" does, for the tables that there are now: to read it, or to have a database administrator run it. It changes nothing.
docs/operators.md lists the rights and their reasons.`,
	}
	var m migrating
	m.bind(c, func(ctx context.Context, c *cobra.Command, db *sqldb.DB) error {
		if m.role == "" {
			return usage("give the role with --app-role")
		}
		list, err := db.Grants(ctx, m.role)
		if err != nil {
			return err
		}
		if output(c) == "json" {
			return printJSON(c.OutOrStdout(), map[string]any{"grants": list})
		}
		for _, g := range list {
			fmt.Fprintln(c.OutOrStdout(), g+";")
		}
		return nil
	})
	return c
}
