package main

import (
	"runtime/debug"
	"testing"
)

func TestBuildFrom(t *testing.T) {
	noted := &debug.BuildInfo{
		Main:     debug.Module{Version: "v0.0.0-20260102030405-0123456789ab"},
		Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "0123456789abcdef"}, {Key: "vcs.modified", Value: "true"}},
	}
	devel := &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}
	for name, test := range map[string]struct {
		stamped string
		info    *debug.BuildInfo
		want    build
	}{
		"nothing":        {"", &debug.BuildInfo{}, build{"(development)", "unknown"}},
		"no repository":  {"", devel, build{"(development)", "unknown"}},
		"go build":       {"", noted, build{"0.0.0-20260102030405-0123456789ab", "0123456789abcdef, changed since"}},
		"make":           {"v1.2.0-3-g0123456-dirty", devel, build{"1.2.0-3-g0123456-dirty", "unknown"}},
		"make and stamp": {"0123456", noted, build{"0123456", "0123456789abcdef, changed since"}},
	} {
		if got := buildFrom(test.stamped, test.info); got != test.want {
			t.Errorf("%s: got %+v, want %+v", name, got, test.want)
		}
	}
}
