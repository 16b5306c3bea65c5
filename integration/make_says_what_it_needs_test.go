package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Where Go is missing, or can't read go.mod and calls it invalid, make says what is needed and where it is to be had.
func TestMakeSaysWhichGoIsNeeded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		version, toolchain string // of the Go that is found; "": there is none
		want               string // what is said first; "": nothing, and it is taken
	}{
		"none":                     {"", "", "There is no program go on the PATH."},
		"of Debian 12":             {"1.19.8", "", "is Go 1.19.8, which is too old."},
		"fetches another":          {"1.23.5", "auto", ""},
		"may not fetch another":    {"1.23.5", "local", "is Go 1.23.5, which is too old, and GOTOOLCHAIN=local keeps it"},
		"later":                    {"9.10", "local", ""},
		"between, by digits alone": {"1.100.1", "local", ""},
	} {
		t.Run(name, func(t *testing.T) {
			bin := t.TempDir()
			for _, tool := range []string{"awk", "cat", "head", "sed", "sh", "sort"} {
				at, err := exec.LookPath(tool)
				if err != nil {
					t.Skip(err)
				}
				if err := os.Symlink(at, filepath.Join(bin, tool)); err != nil {
					t.Fatal(err)
				}
			}
			if c.version != "" {
				says := "#!/bin/sh\ncase $1 in\nversion) echo go version go" + c.version + " linux/amd64 ;;\nenv) echo " + c.toolchain + " ;;\nesac\n"
				if err := os.WriteFile(filepath.Join(bin, "go"), []byte(says), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			check := exec.Command("packaging/check-go")
			check.Dir, check.Env = "..", []string{"PATH=" + bin}
			out, err := check.CombinedOutput()
			said := strings.TrimPrefix(string(out), filepath.Join(bin, "go")+" ")
			switch {
			case c.want == "" && (err != nil || said != ""):
				t.Errorf("got %v, %q; want it to be taken", err, said)
			case c.want == "":
			case err == nil || !strings.HasPrefix(said, c.want) || !strings.Contains(said, "https://go.dev/dl/"):
				t.Errorf("got %v, %q; want a failure that says %q, and where Go is to be had", err, said, c.want)
			}
		})
	}
}
