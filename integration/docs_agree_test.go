package integration

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDocumentedFlags compares the table in docs/reference.md with what help all says: every flag, its argument, its
// letter, its default.
func TestDocumentedFlags(t *testing.T) {
	help, err := exec.Command(program, "help", "all").Output()
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]string{}
	for _, cells := range tableRows(t, "../docs/reference.md", "--") {
		shown[cells[0]] = cells[1]
	}
	compareTables(t, "docs/reference.md", shown, helpFlags(string(help)))
}

// helpEntry is one flag of help all; its explanation may go on in lines that are indented further.
var helpEntry = regexp.MustCompile(`(?m)^  (?:-(\w), |    )(--[a-z-]+(?: [A-Z]+)?)(?:  |$)(.*(?:\n {32}.*)*)`)

// helpFlags returns the default of each flag, by what the reference calls it: "--listen ADDR, -l".
func helpFlags(help string) map[string]string {
	all := map[string]string{}
	for _, m := range helpEntry.FindAllStringSubmatch(help, -1) {
		name, explanation := m[2], narrow(m[3])
		if m[1] != "" {
			name += ", -" + m[1]
		}
		all[name] = strings.TrimSuffix(explanation[strings.LastIndex(explanation, "[")+1:], "]")
	}
	return all
}

// TestDocumentedLogFields compares the table in docs/access-log.md with the fields of a line.
func TestDocumentedLogFields(t *testing.T) {
	var documented []string
	for _, cells := range tableRows(t, "../docs/access-log.md", "") {
		documented = append(documented, cells[0])
	}
	documented = documented[max(slices.Index(documented, "time"), 0):] // the table before it says what is usually looked at
	source, err := os.ReadFile("../l4/accesslog/line.go")
	if err != nil {
		t.Fatal(err)
	}
	record, _, _ := strings.Cut(string(source), "end()\n}")
	written := []string{"time"}
	for _, m := range regexp.MustCompile(`\b(?:string|given|number|seconds|address|tries|tls)\("([a-z_]+)"`).FindAllStringSubmatch(record, -1) {
		written = append(written, m[1])
	}
	if len(documented) < len(written) || !slices.Equal(documented[:len(written)], written) {
		t.Errorf("docs/access-log.md has the fields %q; a line has %q", documented, written)
	}
}

// TestDocumentedCauses compares the tables in docs/access-log.md with the names in the code.
func TestDocumentedCauses(t *testing.T) {
	documented := map[string]bool{}
	for _, cells := range tableRows(t, "../docs/access-log.md", "") {
		documented[cells[0]] = true
	}
	for _, name := range slices.Concat(namesIn(t, "../l4/cause.go"), namesIn(t, "../pool/outcome.go")) {
		if name != "open" && !documented[name] { // a session that is logged is not open
			t.Errorf("docs/access-log.md does not tell what %s means", name)
		}
	}
}

// recipe is a line of a page that has jq read an access log.
var recipe = regexp.MustCompile(`(?m)^jq .* ((?:sessions|clients)\.log)\b.*$`)

// TestRecipesReadEveryLine runs what the pages do to an access log over lines that are no session's, or of sessions
// without a try.
func TestRecipesReadEveryLine(t *testing.T) {
	need(t, "jq")
	var recipes [][]string // and the file that each reads
	for _, path := range documents(t) {
		recipes = append(recipes, recipe.FindAllStringSubmatch(readPage(t, path).text, -1)...)
	}
	if len(recipes) < 5 {
		t.Fatalf("found %d recipes, want those of the access log at least: %q", len(recipes), recipes)
	}
	t.Chdir(t.TempDir())
	const lines = `{"time":"2026-01-02T15:04:05.000000Z","cause":"queue-full","backend":null,"tries":null,"from_backend":0,"client_unacked":null}
{"time":"2026-01-02T15:04:05.000000Z","lost":7}
`
	for _, r := range recipes {
		if err := os.WriteFile(r[1], []byte(lines), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("sh", "-c", r[0]).CombinedOutput(); strings.Contains(string(out), "jq: error") {
			t.Errorf("%s: %v, and it printed\n%s", r[0], err, out)
		}
	}
}

// namesIn returns the names of a type's values in the table of a Go file.
func namesIn(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range regexp.MustCompile(`(?m)^\t\w+: +"([a-z-]+)",$`).FindAllStringSubmatch(string(text), -1) {
		names = append(names, m[1])
	}
	if len(names) == 0 {
		t.Fatalf("%s has no table of names", path)
	}
	return names
}

// tableRows returns the rows of a page's tables whose first cell is code that begins with prefix, without their
// backticks.
func tableRows(t *testing.T, path, prefix string) [][]string {
	t.Helper()
	var rows [][]string
	for line := range strings.Lines(readPage(t, path).text) {
		if !strings.HasPrefix(line, "| `"+prefix) {
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(strings.ReplaceAll(line, "`", "")), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, cells)
	}
	if len(rows) == 0 {
		t.Fatalf("%s has no such table", path)
	}
	return rows
}

// compareTables reports where shown, which a page says, differs from what is.
func compareTables(t *testing.T, where string, shown, is map[string]string) {
	t.Helper()
	if len(is) == 0 {
		t.Fatal("there is nothing to compare with")
	}
	all := slices.Collect(maps.Keys(shown))
	all = slices.AppendSeq(all, maps.Keys(is))
	slices.Sort(all)
	for _, name := range slices.Compact(all) {
		got, documented := shown[name]
		want, exists := is[name]
		switch {
		case !documented:
			t.Errorf("%s does not have %s [%s]", where, name, want)
		case !exists:
			t.Errorf("%s has %s, which does not exist", where, name)
		case got != want:
			t.Errorf("%s says that %s is %q by default; it is %q", where, name, got, want)
		}
	}
}

// TestDocumentsHoldTogether checks what a reader would stumble over: links that lead nowhere, and commands that nobody
// runs.
func TestDocumentsHoldTogether(t *testing.T) {
	for _, path := range documents(t) {
		p := readPage(t, path)
		for _, m := range regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(p.text, -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), m[1])); err != nil {
				t.Errorf("%s: a link to %s: %v", path, m[1], err)
			}
		}
		for _, b := range p.blocks {
			if err := b.kind(); err != nil {
				t.Errorf("%s:%d: %v", path, b.line, err)
			}
		}
	}
}

// command is a line that one would type, or the beginning of one.
var command = regexp.MustCompile(`(?m)^\s*(\$|forebay [^:0-9(]|sudo|make|curl|kill) ?`)

// kind says whether a block is of a kind that there is, and whether commands hide where they are not run.
func (b block) kind() error {
	switch {
	case b.info == "":
		return errors.New("the block does not say what it is; write text, or sh")
	case b.info == "sh" || b.info == "sh root" || strings.HasPrefix(b.info, "sh & "):
		return nil
	case strings.HasPrefix(b.info, "sh"):
		return fmt.Errorf("no blocks are of the kind %q", b.info)
	case b.info != "text output" && command.MatchString(b.text):
		return fmt.Errorf("a block of the kind %q has commands, which are not run there", b.info)
	}
	return nil
}

// TestDocumentedGoAgrees compares what CONTRIBUTING.md says of the Go that is needed with go.mod, which asks for one
// whose crypto/tls is mended: from 1.26.8 on. What other pages say is what make says, which reads go.mod.
func TestDocumentedGoAgrees(t *testing.T) {
	needed := regexp.MustCompile(`(?m)^go (\d+\.\d+\.\d+)$`).FindStringSubmatch(fileText(t, "../go.mod"))
	said := regexp.MustCompile(`You need Linux, Go (\d[\d.]*\d)`).FindStringSubmatch(fileText(t, "../CONTRIBUTING.md"))
	if needed == nil || said == nil || needed[1] < "1.26.8" || said[1] != needed[1] {
		t.Errorf("go.mod asks for %q and CONTRIBUTING.md for %q, want both for 1.26.8 or later", needed, said)
	}
}

func fileText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
