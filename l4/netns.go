package l4

import (
	"os"
	"path/filepath"
)

// Where the system keeps network namespaces (ip-netns(8), network_namespaces(7)).
const (
	namedNamespaces = "/run/netns"
	ownNamespace    = "/proc/self/ns/net"
)

// namespaceName returns the name under which names has this process's network namespace, "" where it has none there, as
// that of the machine itself. A namespace is known by its inode, whether it is mounted there or linked to.
func namespaceName(names string) string {
	own, err := os.Stat(ownNamespace)
	if err != nil {
		return ""
	}
	entries, err := os.ReadDir(names)
	if err != nil {
		return ""
	}
	for _, e := range entries {
		info, err := os.Stat(filepath.Join(names, e.Name()))
		if err == nil && os.SameFile(own, info) {
			return e.Name()
		}
	}
	return ""
}
