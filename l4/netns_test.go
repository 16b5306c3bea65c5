package l4

import (
	"os"
	"path/filepath"
	"testing"
)

func TestNamespaceName(t *testing.T) {
	names := t.TempDir()
	if got := namespaceName(filepath.Join(names, "none")); got != "" {
		t.Errorf("without a folder: %q, want none", got)
	}
	if err := os.WriteFile(filepath.Join(names, "another"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := namespaceName(names); got != "" {
		t.Errorf("with another's name alone: %q, want none", got)
	}
	if err := os.Symlink(ownNamespace, filepath.Join(names, "blue")); err != nil {
		t.Fatal(err)
	}
	if got := namespaceName(names); got != "blue" {
		t.Errorf("got %q, want blue", got)
	}
}
