package integration

import (
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

const (
	module    = "forebay/"
	tablePath = "../docs/architecture.md"
)

// A room is one row of the table in docs/architecture.md: what a package may import.
type room struct {
	all       bool     // any package of this module but those in packages
	packages  []string // of this module
	libraries []string // the ends of their import paths
}

// TestImportDirection reads every file with go/parser and compares its imports with the table in docs/architecture.md.
// What the go tool would tell gets cached, and leaves out files with build constraints.
func TestImportDirection(t *testing.T) {
	house := readTable(t)
	eachFile(t, func(name string, file *ast.File) {
		r, ok := house[path.Dir(name)]
		if !ok {
			t.Errorf("%s: package %s is not in the table of %s", name, path.Dir(name), tablePath)
			return
		}
		for _, spec := range file.Imports {
			imported, _ := strconv.Unquote(spec.Path.Value)
			if !r.allows(imported) && !forTestOnly(name, imported) {
				t.Errorf("%s imports %s, which the table of %s does not give it", name, imported, tablePath)
			}
		}
	})
}

// allows reports whether a package of r may import p.
func (r room) allows(p string) bool {
	if own, ok := strings.CutPrefix(p, module); ok {
		return slices.Contains(r.packages, own) != r.all
	}
	if !strings.Contains(strings.Split(p, "/")[0], ".") {
		return p != "C" // the standard library
	}
	return slices.ContainsFunc(r.libraries, func(l string) bool { return strings.Contains("/"+p+"/", "/"+l+"/") })
}

// forTestOnly reports whether p is what any test may import, and name is a test.
func forTestOnly(name, p string) bool {
	return strings.HasSuffix(name, "_test.go") && (p == module+"l4/l4test" || p == module+path.Dir(name))
}

// readTable reads the rows between the head that names packages and the first line that is no row.
func readTable(t *testing.T) map[string]room {
	text, err := os.ReadFile(tablePath)
	if err != nil {
		t.Fatal(err)
	}
	_, rows, found := strings.Cut(string(text), "| package |")
	if !found {
		t.Fatalf("%s has no table that begins with | package |", tablePath)
	}
	house := map[string]room{}
	for row := range strings.Lines(rows[strings.Index(rows, "\n")+1:]) {
		cells := strings.Split(strings.TrimSpace(row), "|")
		if len(cells) != 6 {
			break // one more on each side than the four there are
		}
		for _, p := range quoted(cells[1]) {
			house[p] = room{all: strings.Contains(cells[3], "all but"), packages: quoted(cells[3]), libraries: words(cells[4])}
		}
	}
	if len(house) < 5 {
		t.Fatalf("%s: read %d packages from its table, want at least 5", tablePath, len(house))
	}
	return house
}

// quoted returns what stands between backquotes in a cell.
func quoted(cell string) []string {
	var names []string
	for i, part := range strings.Split(cell, "`") {
		if i%2 == 1 {
			names = append(names, part)
		}
	}
	return names
}

// words returns the items of a list in a cell.
func words(cell string) []string {
	return strings.FieldsFunc(cell, func(r rune) bool { return r == ',' || r == ' ' || r == '`' || r == '–' })
}

// TestTopLevel holds the top of the tree to what it is for, so that a new thing finds its room first.
func TestTopLevel(t *testing.T) {
	want := strings.Fields(`cmd l4 pool tls integration docs packaging .ci go.mod go.sum Makefile
		README.md LICENSE CHANGELOG.md CONTRIBUTING.md .git .gitignore .gitattributes`)
	want = append(want, ignored(t)...)
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains(want, e.Name()) && !strings.HasSuffix(e.Name(), ".test") && !strings.HasSuffix(e.Name(), ".prof") {
			t.Errorf("%s stands at the top of the tree, which is for %v", e.Name(), want)
		}
	}
}

// ignored returns the names that .gitignore has at the top of the tree.
func ignored(t *testing.T) []string {
	text, err := os.ReadFile("../.gitignore")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		names = append(names, strings.Trim(line, "/\n"))
	}
	return names
}

// TestMapNamesEveryFile has l4/doc.go say what each file beside it is for.
func TestMapNamesEveryFile(t *testing.T) {
	text, err := os.ReadFile("../l4/doc.go")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("../l4/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal("no file is found in l4: ", err)
	}
	for _, f := range files {
		if name := filepath.Base(f); name != "doc.go" && !strings.HasSuffix(name, "_test.go") && !strings.Contains(string(text), name) {
			t.Errorf("l4/doc.go does not name %s", name)
		}
	}
}

// TestHabits looks for what no file should have: an init function, an exit outside main and TestMain, a test that
// sleeps and so hopes instead of waiting, and a bubble that is not l4test.Bubble. In a file with bubbles, where a sleep
// is exact, it may sleep.
func TestHabits(t *testing.T) {
	eachFile(t, func(name string, file *ast.File) {
		fake := calls(file, "l4test", "Bubble")
		test := strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "l4/l4test/")
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			mayExit := f.Name.Name == "TestMain" || file.Name.Name == "main" && f.Name.Name == "main"
			switch {
			case f.Recv == nil && f.Name.Name == "init":
				t.Errorf("%s has an init function", name)
			case !mayExit && calls(f, "os", "Exit"):
				t.Errorf("%s: %s calls os.Exit, which is for main", name, f.Name.Name)
			case name != "l4/l4test/bubble.go" && calls(f, "synctest", "Test"):
				t.Errorf("%s: %s calls synctest.Test; l4test.Bubble is for that", name, f.Name.Name)
			case test && !fake && calls(f, "time", "Sleep"):
				t.Errorf("%s: %s sleeps; wait for what it hopes for", name, f.Name.Name)
			}
		}
	})
}

// TestSocketsAreReleased has the descriptor of a session's socket be taken from it in l4/release.go alone, which sees
// to what is queued for it: a message that is sent later would reach whatever has the number by then.
func TestSocketsAreReleased(t *testing.T) {
	may := map[string][]string{
		"closeFD":      {"l4/sys.go", "l4/release.go", "l4/outbox.go", "l4/pipe.go", "l4/poller.go", "l4/ring.go"},
		"disconnect":   {"l4/socket.go", "l4/sys.go"}, // of what was released, and in abortOnClose
		"abortOnClose": {"l4/sys.go", "l4/release.go"},
		"epollRemove":  {"l4/sys.go", "l4/release.go", "l4/accept.go"},
		"putClose":     {"l4/outbox.go", "l4/release.go"},
	}
	// connect.go clears one where there was no socket to be had, ring.go writes those of its own entries.
	mayClear := []string{"l4/release.go", "l4/connect.go", "l4/ring.go"}
	eachFile(t, func(name string, file *ast.File) {
		if strings.HasSuffix(name, "_test.go") || !strings.HasPrefix(name, "l4/") || strings.Count(name, "/") > 1 {
			return
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				callee := ""
				switch f := n.Fun.(type) {
				case *ast.Ident:
					callee = f.Name
				case *ast.SelectorExpr:
					callee = f.Sel.Name
				}
				if files, listed := may[callee]; listed && !slices.Contains(files, name) {
					t.Errorf("%s calls %s, which is for %v", name, callee, files)
				}
			case *ast.CompositeLit:
				if x, ok := n.Type.(*ast.Ident); ok && x.Name == "released" && name != "l4/release.go" {
					t.Errorf("%s makes a released descriptor by itself; session.release does", name)
				}
			case *ast.AssignStmt:
				for _, left := range n.Lhs {
					if x, ok := left.(*ast.SelectorExpr); ok && x.Sel.Name == "fd" && !slices.Contains(mayClear, name) {
						t.Errorf("%s sets a descriptor; session.release takes one away", name)
					}
				}
			}
			return true
		})
	})
}

// calls reports whether in contains pkg.name.
func calls(in ast.Node, pkg, name string) bool {
	found := false
	ast.Inspect(in, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == name {
			x, ok := s.X.(*ast.Ident)
			found = found || ok && x.Name == pkg
		}
		return !found
	})
	return found
}

// eachFile parses every Go file of the module, and calls f with its path from the top of the tree.
func eachFile(t *testing.T, f func(name string, file *ast.File)) {
	count, fset := 0, token.NewFileSet()
	err := filepath.WalkDir("..", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && p != ".." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "bin") {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(p, ".go") {
			return nil
		}
		file, err := parser.ParseFile(fset, p, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		count++
		f(filepath.ToSlash(strings.TrimPrefix(p, "../")), file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if count < 10 {
		t.Fatalf("read %d files, want the whole module", count)
	}
}
