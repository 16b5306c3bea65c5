package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
)

// version prints the version, what it was built from, and the running kernel.
func version(e *env, _ *commandLine, operands []string) error {
	if err := noOperands("version", operands); err != nil {
		return err
	}
	b := readBuild()
	fmt.Fprintf(e.stdout, "forebay %s\n", b.version)
	fmt.Fprintf(e.stdout, "commit  %s\n", b.commit)
	fmt.Fprintf(e.stdout, "built   with %s for %s/%s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	fmt.Fprintf(e.stdout, "kernel  %s\n", kernel())
	return nil
}

// stamped is the version that the linker sets with -X main.stamped=..., as the Makefile does; "" without it. Nothing
// else sets it.
var stamped string

// A build says what the binary was built from.
type build struct{ version, commit string }

func readBuild() build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return buildFrom(stamped, info)
}

// buildFrom returns the build by what the linker set and the go command recorded. What neither knows is "(development)"
// or "unknown".
func buildFrom(stamped string, info *debug.BuildInfo) build {
	b := build{version: "(development)", commit: "unknown"}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		b.version = strings.TrimPrefix(v, "v")
	}
	if stamped != "" {
		b.version = strings.TrimPrefix(stamped, "v")
	}
	changed := ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			b.commit = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = ", changed since"
		}
	}
	b.commit += changed
	return b
}

// kernel returns the release of the running kernel.
func kernel() string {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "unknown"
	}
	return "Linux " + strings.TrimSpace(string(release))
}
