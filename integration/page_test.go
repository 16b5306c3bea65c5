package integration

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// documents returns the paths of all pages.
func documents(t *testing.T) []string {
	t.Helper()
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages in ../docs: %v", err)
	}
	return append(pages, "../README.md", "../CONTRIBUTING.md")
}

// A page is one Markdown file, taken apart.
type page struct {
	path   string
	text   string
	blocks []block
	needs  []string // programs
	source bool     // run in a copy of the source tree
	nobody bool     // run without root's rights
}

// A block is what stands between two fences.
type block struct {
	line  int // of the opening fence
	scene int // how many lines across the page come before it
	info  string
	text  string
}

// pageNote is a comment that says what a page needs.
var pageNote = regexp.MustCompile(`(?m)^<!-- (needs|in|as): (.*) -->$`)

func readPage(t *testing.T, path string) *page {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	p := &page{path: path, text: string(text)}
	p.blocks = p.fenced(t)
	for _, note := range pageNote.FindAllStringSubmatch(p.text, -1) {
		switch note[1] + " " + note[2] {
		case "in source":
			p.source = true
		case "as nobody":
			p.nobody = true
		default:
			p.needs = strings.Fields(note[2])
		}
	}
	return p
}

// fenced returns the page's blocks.
func (p *page) fenced(t *testing.T) []block {
	var all []block
	inside, scene := false, 0
	for i, line := range strings.SplitAfter(p.text, "\n") {
		fence, info, _ := strings.Cut(strings.TrimRight(line, "\n"), "```")
		switch {
		case !strings.Contains(line, "```") && inside:
			all[len(all)-1].text += line
		case line == "---\n":
			scene++
		case !strings.Contains(line, "```"):
		case fence != "" || strings.Contains(info, "`"):
			t.Errorf("%s:%d: a fence begins its line, so that its commands are found", p.path, i+1)
		case inside:
			inside = false
		default:
			all = append(all, block{line: i + 1, scene: scene, info: info})
			inside = true
		}
	}
	if inside {
		t.Errorf("%s: the last block is not closed", p.path)
	}
	return all
}

// scenes is how many shells the page's blocks are run in.
func (p *page) scenes() int {
	if len(p.blocks) == 0 {
		return 0
	}
	return p.blocks[len(p.blocks)-1].scene + 1
}
