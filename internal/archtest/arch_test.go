package archtest

import (
	"bufio"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "probity.dev"

// The limits. A file's lines include comments; a function's are counted from its first to its last line.
const (
	maxFileLines    = 500
	warnFuncLines   = 60
	maxFuncLines    = 80
	maxImportDepth  = 9
	wantPackageDocs = "doc.go"
)

// vagueNames say nothing about what a package is for, so everything would end up there.
var vagueNames = []string{"util", "utils", "common", "helper", "helpers", "model", "models", "misc", "shared", "lib", "base"}

// goPackage is one folder of Go files.
type goPackage struct {
	dir     string // slash-separated, relative to the module
	name    string
	imports map[string]bool // of non-test files, module-relative; third-party ones are left out
	tests   map[string]bool // of test files
	files   []goFile
}

type goFile struct {
	path  string
	test  bool
	lines int
	fset  *token.FileSet
	ast   *ast.File
}

func root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test")
		}
	}
}

// load parses every Go file of the module. Nested modules, generated files and folders that hold no source of ours are left out.
func load(t testing.TB) []*goPackage {
	t.Helper()
	top := root(t)
	byDir := map[string]*goPackage{}
	err := filepath.WalkDir(top, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return enter(top, p, d.Name())
		}
		if !strings.HasSuffix(p, ".go") {
			return nil
		}
		return byDirAdd(byDir, top, p)
	})
	if err != nil {
		t.Fatal(err)
	}
	out := make([]*goPackage, 0, len(byDir))
	for _, p := range byDir {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b *goPackage) int { return strings.Compare(a.dir, b.dir) })
	return out
}

func enter(top, p, name string) error {
	if p == top {
		return nil
	}
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "node_modules" || name == "testdata" || name == "vendor" || name == "dist" {
		return filepath.SkipDir
	}
	if _, err := os.Stat(filepath.Join(p, "go.mod")); err == nil {
		return filepath.SkipDir
	}
	return nil
}

func byDirAdd(byDir map[string]*goPackage, top, p string) error {
	src, err := os.ReadFile(p)
	if err != nil {
		return err
	}
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, p, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return fmt.Errorf("%s does not parse: %w", p, err)
	}
	if ast.IsGenerated(f) {
		return nil
	}
	rel, err := filepath.Rel(top, filepath.Dir(p))
	if err != nil {
		return err
	}
	dir := filepath.ToSlash(rel)
	pkg := byDir[dir]
	if pkg == nil {
		pkg = &goPackage{dir: dir, imports: map[string]bool{}, tests: map[string]bool{}}
		byDir[dir] = pkg
	}
	file := goFile{path: path.Join(dir, filepath.Base(p)), test: strings.HasSuffix(p, "_test.go"), lines: strings.Count(string(src), "\n"), fset: fset, ast: f}
	pkg.files = append(pkg.files, file)
	if !file.test {
		pkg.name = f.Name.Name
	}
	for _, spec := range f.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		local, ok := strings.CutPrefix(name, module+"/")
		if !ok {
			continue
		}
		if file.test {
			pkg.tests[local] = true
		} else {
			pkg.imports[local] = true
		}
	}
	return nil
}

// first returns the first element of a path: the house that a package lives in.
func first(dir string) string {
	head, _, _ := strings.Cut(dir, "/")
	return head
}

// allowed is the dependency rule: internal imports no domain; the ledger imports internal; other domains import internal, the ledger and themselves; client and verify import
// the tree and the codecs only; app and cmd import everything.
func allowed(from, to string) bool {
	house, target := first(from), first(to)
	if house == target && house != "internal" {
		return true
	}
	switch house {
	case "internal":
		return target == "internal"
	case "client", "verify":
		// internal/errs is what the errors of the other two are made of.
		return to == "internal/tlog" || to == "internal/evidence" || strings.HasPrefix(to, "internal/evidence/") || to == "internal/errs"
	case "ledger":
		return target == "internal"
	case "app", "cmd", "test", ".":
		return true
	case "console":
		return target == "internal"
	}
	return target == "internal" || target == "ledger"
}

func TestDependencyRule(t *testing.T) {
	for _, p := range load(t) {
		for to := range p.imports {
			if !allowed(p.dir, to) {
				t.Errorf("%s imports %s. %s", p.dir, to, remedy(p.dir))
			}
		}
	}
}

func remedy(dir string) string {
	switch {
	case first(dir) == "internal":
		return "internal packages know no domain: move the code into the domain, or take what is needed as a parameter."
	case first(dir) == "client" || first(dir) == "verify":
		return "It may import internal/tlog, internal/evidence and internal/errs only, so that others can build it without the server."
	}
	return "A domain declares a small interface for what it needs from another; app plugs them together."
}

func TestRuleItself(t *testing.T) {
	for _, c := range []struct {
		from, to string
		want     bool
	}{
		{"access", "ledger/event", true}, {"access", "internal/api", true}, {"access", "access/masking", true}, {"access", "catalog/field", false}, {"access/masking", "catalog/field", false},
		{"ledger/query", "ledger/event", true}, {"ledger", "access", false}, {"ledger", "internal/tlog", true}, {"internal/api", "internal/errs", true}, {"internal/api", "ledger", false},
		{"internal/demo", "ledger/event", false}, {"client", "internal/actor", false}, {"client", "internal/tlog", true}, {"verify", "internal/evidence", true}, {"verify", "internal/evidence/bundle", true}, {"verify", "internal/errs", true}, {"verify", "internal/api", false}, {"verify", "ledger", false}, {"app", "access", true},
		{"cmd/probity", "app", true}, {"report/export", "ledger", true}, {"report", "app", false}, {"ledger", "app", false}, {"client", "verify", false},
	} {
		if got := allowed(c.from, c.to); got != c.want {
			t.Errorf("%s → %s: %v", c.from, c.to, got)
		}
	}
}

func TestImportDepth(t *testing.T) {
	packages := map[string]*goPackage{}
	for _, p := range load(t) {
		packages[p.dir] = p
	}
	depths := map[string]int{}
	var depth func(dir string, seen []string) int
	depth = func(dir string, seen []string) int {
		if d, ok := depths[dir]; ok {
			return d
		}
		p := packages[dir]
		if p == nil || slices.Contains(seen, dir) {
			return 0
		}
		d := 0
		for to := range p.imports {
			d = max(d, 1+depth(to, append(seen, dir)))
		}
		depths[dir] = d
		return d
	}
	for dir := range packages {
		if d := depth(dir, nil); d >= maxImportDepth {
			t.Errorf("%s is %d imports deep; less than %d keeps it readable from the top", dir, d, maxImportDepth)
		}
	}
}

func TestPackages(t *testing.T) {
	for _, p := range load(t) {
		if p.name == "" { // tests only
			continue
		}
		if slices.Contains(vagueNames, p.name) {
			t.Errorf("%s: a package named %s says nothing about what belongs into it", p.dir, p.name)
		}
		if p.name == "main" || p.dir == "." {
			continue
		}
		if !hasPackageDoc(p) {
			t.Errorf("%s: there must be a %s with a comment that begins \"Package %s\" and says what it owns", p.dir, wantPackageDocs, p.name)
		}
	}
}

func hasPackageDoc(p *goPackage) bool {
	for _, f := range p.files {
		if path.Base(f.path) == wantPackageDocs && f.ast.Doc != nil && strings.HasPrefix(f.ast.Doc.Text(), "Package "+p.name+" ") {
			return true
		}
	}
	return false
}

func TestFilesAreShort(t *testing.T) {
	for _, p := range load(t) {
		for _, f := range p.files {
			if !f.test && f.lines >= maxFileLines {
				t.Errorf("%s has %d lines; split it by subject at %d", f.path, f.lines, maxFileLines)
			}
		}
	}
}

func TestFunctionsAreShort(t *testing.T) {
	for _, p := range load(t) {
		for _, f := range p.files {
			if f.test {
				continue
			}
			for _, d := range f.ast.Decls {
				fn, ok := d.(*ast.FuncDecl)
				if !ok || fn.Body == nil {
					continue
				}
				lines := f.fset.Position(fn.End()).Line - f.fset.Position(fn.Pos()).Line + 1
				switch where := f.fset.Position(fn.Pos()).Line; {
				case lines > maxFuncLines:
					t.Errorf("%s:%d: %s has %d lines, more than %d", f.path, where, fn.Name.Name, lines, maxFuncLines)
				case lines > warnFuncLines:
					t.Logf("%s:%d: %s has %d lines; about %d is the aim", f.path, where, fn.Name.Name, lines, warnFuncLines)
				}
			}
		}
	}
}

func TestExportedNamesAreDocumented(t *testing.T) {
	for _, p := range load(t) {
		if p.name == "main" {
			continue
		}
		for _, f := range p.files {
			if f.test {
				continue
			}
			for _, missing := range undocumented(f.ast) {
				t.Errorf("%s:%d: %s is exported and has no doc comment", f.path, f.fset.Position(missing.Pos()).Line, missing.Name)
			}
		}
	}
}

// undocumented returns the exported names of a file that have no comment. A group (const, var, type) may be documented as a whole; methods count where their type is exported; a trailing
// comment is as good as one above.
func undocumented(f *ast.File) []*ast.Ident {
	var out []*ast.Ident
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && d.Doc == nil && receiverExported(d) && !wellKnown(d) {
				out = append(out, d.Name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				out = append(out, undocumentedSpec(d, spec)...)
			}
		}
	}
	return out
}

func undocumentedSpec(d *ast.GenDecl, spec ast.Spec) []*ast.Ident {
	var out []*ast.Ident
	switch s := spec.(type) {
	case *ast.TypeSpec:
		if s.Name.IsExported() && s.Doc == nil && s.Comment == nil && d.Doc == nil {
			out = append(out, s.Name)
		}
	case *ast.ValueSpec:
		for _, n := range s.Names {
			if n.IsExported() && s.Doc == nil && s.Comment == nil && d.Doc == nil {
				out = append(out, n)
			}
		}
	}
	return out
}

func receiverExported(d *ast.FuncDecl) bool {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return true
	}
	t := d.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return false
		}
	}
}

// wellKnown are methods whose meaning is fixed by the standard library.
func wellKnown(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return false
	}
	switch d.Name.Name {
	case "Error", "String", "Len", "Less", "Swap", "Unwrap", "Read", "Write", "Close", "ServeHTTP", "MarshalJSON", "UnmarshalJSON", "MarshalText", "UnmarshalText", "Push", "Pop":
		return true
	}
	return false
}

func TestUndocumentedFindsThem(t *testing.T) {
	const src = `package x
// A is fine.
type A int
type B int
func (A) M() {}
// N is fine.
func (A) N() {}
func (a *A) Error() string { return "" }
func (hidden) P() {}
type hidden int
// The constants.
const (
	C = 1
	D = 2
)
const E = 3
const (
	F = 4 // trailing
	G = 5
)
var h, I int
func (l *List[T]) Q() {}
// List is fine.
type List[T any] struct{}
`
	f, err := parser.ParseFile(token.NewFileSet(), "x.go", src, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, id := range undocumented(f) {
		got = append(got, id.Name)
	}
	if want := "[B M E G I Q]"; fmt.Sprint(got) != want {
		t.Fatalf("%v, want %s", got, want)
	}
}

// TestNoLeftovers looks for notes to oneself and for addresses of machines in the source.
func TestNoLeftovers(t *testing.T) {
	marks := []string{"TO" + "DO", "FIX" + "ME", "XX" + "X:", "HA" + "CK:"}
	for _, p := range load(t) {
		for _, f := range p.files {
			b, err := os.Open(filepath.Join(root(t), filepath.FromSlash(f.path)))
			if err != nil {
				t.Fatal(err)
			}
			sc := bufio.NewScanner(b)
			sc.Buffer(nil, 1<<20)
			for n := 1; sc.Scan(); n++ {
				line := sc.Text()
				comment := strings.Index(line, "//")
				for _, m := range marks {
					if comment >= 0 && strings.Contains(line[comment:], m) {
						t.Errorf("%s:%d: %s left in the source", f.path, n, m)
					}
				}
			}
			if err := sc.Err(); err != nil {
				t.Error(f.path, err)
			}
			b.Close()
		}
	}
}
