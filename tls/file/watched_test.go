package file

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// touched gives a file the time of modification that files of reproducible archives have.
func touched(t *testing.T, path, text string) string {
	t.Helper()
	must(t, 0, os.WriteFile(path, []byte(text), 0o600))
	must(t, 0, os.Chtimes(path, time.Unix(1, 0), time.Unix(1, 0)))
	return path
}

// settled waits until w's file is so old that its Stamp alone tells whether it has changed.
func settled(t *testing.T, w *Watched) *Watched {
	t.Helper()
	for w.young {
		w.Changed()
		<-time.After(20 * time.Millisecond)
	}
	return w
}

// TestChangesAreSeenThatKeepSizeAndTime replaces a file by one of the same size and time, in each way that tools have.
func TestChangesAreSeenThatKeepSizeAndTime(t *testing.T) {
	for name, c := range map[string]struct {
		command string
		quick   bool // as soon as it has been read: within one tick of the file system's clock
	}{
		"cp -p":                 {"cp -p new/f live/f", false},
		"tar":                   {"tar -C new -c f | tar -C live -x", false},
		"written and set back":  {"cat new/f >live/f; touch -d @1 live/f", false},
		"moved":                 {"cp -p new/f live/g; mv live/g live/f", false},
		"a link set anew":       {"rm live/f; ln -s ../new/f live/f", false},
		"cp -p, at once":        {"cp -p new/f live/f", true},
		"in its place, at once": {"cat new/f >live/f; touch -d @1 live/f", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for _, d := range []string{"new", "live"} {
				must(t, 0, os.Mkdir(filepath.Join(dir, d), 0o700))
			}
			touched(t, filepath.Join(dir, "new", "f"), "new")
			w := &Watched{Path: touched(t, filepath.Join(dir, "live", "f"), "old")}
			text, err := w.Read()
			if must(t, text, err); !c.quick {
				settled(t, w)
			}
			run := exec.Command("sh", "-c", c.command)
			run.Dir = dir
			out, err := run.CombinedOutput()
			if must(t, out, err); !w.Changed() {
				t.Error("the change is not seen")
			}
			if w.Changed() {
				t.Error("the change is seen twice")
			}
		})
	}
}

// TestWithinOneTickTheContentTells has a file system whose clock does not move between two changes.
func TestWithinOneTickTheContentTells(t *testing.T) {
	w := &Watched{Path: touched(t, filepath.Join(t.TempDir(), "f"), "old")}
	text, err := w.Read()
	must(t, text, err)
	touched(t, w.Path, "new")
	w.stamp = StampOf(w.Path)
	if !w.Changed() {
		t.Error("not seen")
	}
}

// TestWithoutTimesTheContentTells has a file system that keeps no time of change: a change is seen a while later.
func TestWithoutTimesTheContentTells(t *testing.T) {
	w := &Watched{Path: touched(t, filepath.Join(t.TempDir(), "f"), "old")}
	text, err := w.Read()
	must(t, text, err)
	touched(t, w.Path, "new")
	seen := 0
	for range 2 * comparedEach {
		w.stamp, w.young = StampOf(w.Path), false
		if w.Changed() {
			seen++
		}
	}
	if seen != 1 {
		t.Errorf("seen %d times, want once", seen)
	}
}

func TestTheSameContentIsNoChange(t *testing.T) {
	w := &Watched{Path: touched(t, filepath.Join(t.TempDir(), "f"), "old")}
	text, err := w.Read()
	must(t, text, err)
	must(t, 0, os.Chmod(w.Path, 0o640))
	must(t, 0, os.Chtimes(w.Path, time.Now(), time.Now()))
	if w.Changed() {
		t.Error("other rights and times are taken for a change")
	}
	touched(t, w.Path+".new", "old")
	must(t, 0, os.Rename(w.Path+".new", w.Path))
	if w.Changed() {
		t.Error("a copy in its place is taken for a change")
	}
}

func TestAFileThatGoesAndComesHasChanged(t *testing.T) {
	w := &Watched{Path: touched(t, filepath.Join(t.TempDir(), "f"), "old")}
	text, err := w.Read()
	must(t, text, err)
	must(t, 0, os.Remove(w.Path))
	if !w.Changed() || w.Changed() {
		t.Error("that it went is not seen once")
	}
	touched(t, w.Path, "old")
	if !w.Changed() || w.Changed() {
		t.Error("that it came is not seen once")
	}
}
