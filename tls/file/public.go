package file

import (
	"io/fs"
	"os"
	"path/filepath"
)

// The rights of everybody (inode(7)).
const (
	readByAll = 0o004
	passByAll = 0o001 // through a directory
)

// Public reports whether everybody may read the file that path leads to, and pass through the directories above it
// (path_resolution(7)).
func Public(path string) bool {
	path, err := filepath.EvalSymlinks(path)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return false
	}
	if info, err := os.Stat(path); err != nil || info.Mode()&readByAll == 0 {
		return false
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err != nil || info.Mode()&passByAll == 0 {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
	}
}

// quotable reports whether what is in the file at path may be told, which looked like info when it was read. The
// directories above it count where links lead to it: the operator named the link, and who set that may not be able to
// read what it leads to.
func quotable(path string, info fs.FileInfo) bool {
	if info.Mode()&readByAll == 0 {
		return false
	}
	direct, err := filepath.EvalSymlinks(path)
	return err == nil && direct == filepath.Clean(path) || Public(path)
}
