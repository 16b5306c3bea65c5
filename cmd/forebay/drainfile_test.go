package main

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"forebay/tls/profile"
)

// farms knows names with several addresses.
type farms struct{}

func (farms) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	if host == "farm.example" {
		return []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("2001:db8::1")}, nil
	}
	return hosts{}.LookupNetIP(ctx, network, host)
}

// drainsOf returns the drain file of a command line, with this text; "" for none.
func drainsOf(t *testing.T, text string, args ...string) (*commandLine, *drainFile) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "drained")
	if text != "" {
		rewrite(t, path, text)
	}
	c := read(nil, append(args, "--drain-file", path)...)
	return c, c.plan(t.Context(), farms{}).drains
}

// drained names the backends that are to be drained, with their routes where they are not the default one.
func (f *drainFile) drained() (all []string) {
	for _, m := range f.members {
		if _, ok := f.orders[m.Backend]; ok {
			all = append(all, strings.TrimPrefix(m.route+" "+m.Name(), "* "))
		}
	}
	return all
}

func TestDrainFileNamesBackends(t *testing.T) {
	const farm1, farm2, farm3 = "farm.example:80(192.0.2.1)", "farm.example:80(192.0.2.2)", "farm.example:80(2001:db8::1)"
	args := []string{"-l", "127.0.0.1:0", "127.0.0.1:8000-8003", "farm.example:80", "localhost:9000", "unix:/run/app#1",
		"--route", "a.example=127.0.0.1:8001,192.0.2.2:80", "--route", "b.example=refuse"}
	for text, want := range map[string][]string{
		"":                      nil,
		"# nothing\n\n \t \r\n": nil,
		"127.0.0.1:8000":        {"127.0.0.1:8000"},
		"\t127.0.0.1:8000 # and why\r\n#127.0.0.1:8002\n 127.0.0.1:8003 \n": {"127.0.0.1:8000", "127.0.0.1:8003"},
		"127.0.0.1:8001":                 {"127.0.0.1:8001", "a.example 127.0.0.1:8001"},
		"127.0.0.1:8002-8003":            {"127.0.0.1:8002", "127.0.0.1:8003"},
		"farm.example:80":                {farm1, farm2, farm3},
		farm1 + "\n" + farm3 + ",idle=0": {farm1, farm3},
		"192.0.2.2:80":                   {farm2, "a.example 192.0.2.2:80"},
		"[2001:db8::1]:80":               {farm3},
		"localhost:9000":                 {"localhost:9000"},
		"[::1]:9000":                     {"localhost:9000"},
		"unix:/run/app#1#not a comment?": nil,
		"unix:/run/app#1 #a comment":     {"unix:/run/app#1"},
	} {
		c, f := drainsOf(t, text, args...)
		if err := c.faults.err(); (err != nil) != strings.Contains(text, "?") {
			t.Errorf("%q: %v", text, err)
		}
		if got := f.drained(); !slices.Equal(got, want) {
			t.Errorf("%q drains %q, want %q", text, got, want)
		}
	}
}

func TestDrainFileIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"\n127.0.0.1:8000\n127.0.0.1:9000\n":        "line 3: no backend is 127.0.0.1:9000: there are 127.0.0.1:8000, 127.0.0.1:8001, farm.example:80(192.0.2.1)",
		"127.0.0.1:8000-8002":                       "line 1: no backend is 127.0.0.1:8002",
		"farm.example:80(192.0.2.9)":                "line 1: no backend is farm.example:80(192.0.2.9)",
		"farm.example:8":                            "line 1: no backend is farm.example:8:",
		"127.0.0.1:8000-8001\n127.0.0.1:8001":       "line 2: 127.0.0.1:8001 is drained by line 1 already: leave one out",
		"192.0.2.1:80\n\nfarm.example:80":           "line 3: farm.example:80(192.0.2.1) is drained by line 1 already",
		"127.0.0.1:8000,idle=x\n127.0.0.1:8001,x=1": `line 2: "127.0.0.1:8001,x=1": unknown option`,
	} {
		c, f := drainsOf(t, text, "127.0.0.1:8000-8001", "farm.example:80")
		if err := c.faults.err(); err == nil || !strings.Contains(err.Error(), "--drain-file: "+f.path+": "+want) {
			t.Errorf("%q: got %v, want an error with %q", text, err, want)
		}
	}
	// Where backends have faults of their own, those that are missing may be theirs.
	for _, wrong := range [][]string{{"127.0.0.1:8000", "127.0.0.1:800x"}, {"127.0.0.1:8000", "nowhere.example:80"}, {"--route", "a.example=b", "127.0.0.1:8000"}} {
		c, _ := drainsOf(t, "127.0.0.1:9000", wrong...)
		if err := c.faults.err(); err == nil || strings.Contains(err.Error(), "drain") {
			t.Errorf("%q: got %v, want a fault of the backend alone", wrong, err)
		}
	}
}

// obeyed has a look at the file, and tells what it said and what is drained since.
func (f *drainFile) obeyed() string {
	e, told := f.Check()
	said := ""
	switch {
	case told && e.Err != nil:
		said = " " + strings.ReplaceAll(e.Err.Error(), filepath.Dir(f.path)+"/", "")
	case told:
		said = " told"
	}
	return strings.Join(f.drained(), " ") + said
}

// What the file says holds when it is the same at two looks. What is wrong is told once, and changes nothing.
func TestDrainFileIsReadAgain(t *testing.T) {
	_, f := drainsOf(t, "", "127.0.0.1:8000-8002")
	var followed []string
	f.follow = func(o drainOrders) { followed = append(followed, fmt.Sprint(len(o))) }
	dir := filepath.Dir(f.path)
	for i, step := range []struct {
		does func()
		want []string // of the looks after it
	}{
		{func() {}, []string{"", ""}},
		{func() { rewrite(t, f.path, "127.0.0.1:8001\n") }, []string{"", "127.0.0.1:8001 told", "127.0.0.1:8001"}},
		{func() { rewrite(t, f.path, "127.0.0.1:800\n") }, []string{"127.0.0.1:8001"}}, // half written, and finished before the next look
		{func() { rewrite(t, f.path, "127.0.0.1:8000\n127.0.0.1:8002\n") }, []string{"127.0.0.1:8001", "127.0.0.1:8000 127.0.0.1:8002 told"}},
		{func() { rewrite(t, f.path, "127.0.0.1:8000\n127.0.0.1:9999\n") }, []string{"127.0.0.1:8000 127.0.0.1:8002",
			"127.0.0.1:8000 127.0.0.1:8002 drained: line 2: no backend is 127.0.0.1:9999: there are 127.0.0.1:8000, 127.0.0.1:8001, 127.0.0.1:8002",
			"127.0.0.1:8000 127.0.0.1:8002"}},
		{func() { os.Rename(dir, dir+".away") }, []string{"127.0.0.1:8000 127.0.0.1:8002",
			"127.0.0.1:8000 127.0.0.1:8002 drained can't be made, for there is no directory " + dir + ": make it, or name another",
			"127.0.0.1:8000 127.0.0.1:8002"}},
		{func() { os.Mkdir(dir, 0o700) }, []string{"127.0.0.1:8000 127.0.0.1:8002", "", ""}}, // it is not there, and could be
		{func() { rewrite(t, f.path, "127.0.0.1:8000") }, []string{"", "127.0.0.1:8000 told"}},
		{func() { os.Remove(f.path) }, []string{"127.0.0.1:8000", "", ""}},
	} {
		step.does()
		for look, want := range step.want {
			if got := f.obeyed(); got != want {
				t.Errorf("step %d, look %d: got %q, want %q", i, look, got, want)
			}
		}
	}
	if want := []string{"1", "2", "0", "1", "0"}; !slices.Equal(followed, want) {
		t.Errorf("so many were drained: %q, want %q", followed, want)
	}
}

// A file that can't be read keeps what it said, and is read once it can be, though it has not changed.
func TestDrainFileIsClosed(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may read any file")
	}
	_, f := drainsOf(t, "127.0.0.1:8001", "127.0.0.1:8000-8002")
	const still = "127.0.0.1:8001"
	for _, step := range []struct {
		mode os.FileMode
		want string // of the second look
	}{{0, still + " read drained: permission denied"}, {0o644, still + " told"}} {
		if err := os.Chmod(f.path, step.mode); err != nil {
			t.Fatal(err)
		}
		for i, want := range []string{still, step.want, still} {
			if got := f.obeyed(); got != want {
				t.Errorf("mode %o, look %d: got %q, want %q", step.mode, i, got, want)
			}
		}
	}
}

// SIGHUP does not wait for a second look, and tells what is wrong each time.
func TestDrainFileIsReloaded(t *testing.T) {
	_, f := drainsOf(t, "127.0.0.1:8000", "127.0.0.1:8000-8002")
	var told []profile.Event
	reload := func() { f.reload(func(e profile.Event) { told = append(told, e) }) }
	rewrite(t, f.path, "127.0.0.1:8002")
	if reload(); !slices.Equal(f.drained(), []string{"127.0.0.1:8002"}) || len(told) != 1 || told[0].Err != nil {
		t.Errorf("drained are %q, told was %v", f.drained(), told)
	}
	rewrite(t, f.path, "nothing")
	reload()
	if reload(); !slices.Equal(f.drained(), []string{"127.0.0.1:8002"}) || len(told) != 3 || told[1].Err == nil || told[2].Err == nil {
		t.Errorf("drained are %q, told was %v", f.drained(), told)
	}
	if got := f.obeyed(); got != "127.0.0.1:8002" {
		t.Errorf("the look after it told %q, want nothing more", got)
	}
	(*drainFile)(nil).reload(nil) // without the flag there is nothing to do
}

// A backend that is in the file at the start is out of use before the first client is accepted.
func TestDrainedBackendsAreWithheld(t *testing.T) {
	_, f := drainsOf(t, "127.0.0.1:8001", "127.0.0.1:8000-8001")
	p := &process{plan: &plan{config: defaultConfig(), drains: f, routes: []plannedRoute{{pool: f.members[0].pool}}}}
	if err := p.open(testEnv(&bytes.Buffer{}, &bytes.Buffer{})); err != nil {
		t.Fatal(err)
	}
	defer p.close()
	if f.members[0].Draining() || !f.members[1].Draining() {
		t.Error("what may be reached at the start is not what the file says")
	}
}

func TestCheckShowsDrains(t *testing.T) {
	path := filepath.Join(t.TempDir(), "drained")
	rewrite(t, path, "127.0.0.1:8001\n127.0.0.1:8002,idle=0,spread=0,deadline=0\n")
	stdout, stderr, status := invoke(nil, "check", "--drain-file", path, "127.0.0.1:8000-8003", "--route", "a.example=127.0.0.1:8001", "-l", "127.0.0.1:0")
	for _, want := range []string{
		"backend 127.0.0.1:8001 of route * is drained: idle after 5s, spread over 2m, cut after 10m\n",
		"backend 127.0.0.1:8002 of route * is drained: none is idle, all at once, never cut\n",
		"backend 127.0.0.1:8001 of route a.example is drained: idle after",
		" --drain-file=" + path + " ",
		"\n\n" + path + " leaves no backend of route a.example: clients are turned away\n",
	} {
		if !strings.Contains(stdout, want) || status != exitDone {
			t.Errorf("got status %d, %s\n%s\nwant it to have %q", status, stderr, stdout, want)
		}
	}
	if strings.Contains(stdout, "leaves no backend of route *") {
		t.Errorf("two of four are left:\n%s", stdout)
	}
}
