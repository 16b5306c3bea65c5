//go:build !linux

package health

// inheritsOrphans reports that other systems are not asked.
func inheritsOrphans() bool { return false }

func endedChild() int { return 0 }
