package l4

import (
	"testing"
	"testing/fstest"
)

func TestMemoryLimits(t *testing.T) {
	const mib = 1 << 20
	const machine = "MemTotal:        1048576 kB\nMemFree:          1 kB\n"
	const v2 = "25 20 0:22 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"
	const v1 = "34 30 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n35 30 0:32 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
	for _, c := range []struct {
		name  string
		files map[string]string
		want  MemoryLimit
	}{
		{"nothing is known", nil, MemoryLimit{}},
		{"the machine", map[string]string{"proc/meminfo": machine}, MemoryLimit{1024 * mib, "the machine's memory"}},
		{"systemd's MemoryMax", map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "0::/system.slice/forebay.service\n", "proc/self/mountinfo": v2,
			"sys/fs/cgroup/system.slice/forebay.service/memory.max":  "157286400\n",
			"sys/fs/cgroup/system.slice/forebay.service/memory.high": "max\n",
		}, MemoryLimit{150 * mib, "memory.max of the control group /system.slice/forebay.service"}},
		{"a group above has less", map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "0::/a.slice/b\n", "proc/self/mountinfo": v2,
			"sys/fs/cgroup/a.slice/b/memory.max": "157286400\n",
			"sys/fs/cgroup/a.slice/memory.max":   "104857600\n",
		}, MemoryLimit{100 * mib, "memory.max of the control group /a.slice"}},
		{"throttled from on", map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "0::/a\n", "proc/self/mountinfo": v2,
			"sys/fs/cgroup/a/memory.max": "157286400\n", "sys/fs/cgroup/a/memory.high": "104857600\n",
		}, MemoryLimit{100 * mib, "memory.high of the control group /a"}},
		{"a container with a namespace of its own", map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "0::/\n", "proc/self/mountinfo": v2, "sys/fs/cgroup/memory.max": "67108864\n",
		}, MemoryLimit{64 * mib, "memory.max of the control group /"}},
		{"a container that sees the path of the host", map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "4:memory:/docker/abc\n",
			"proc/self/mountinfo":                        "34 30 0:31 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "67108864\n",
		}, MemoryLimit{64 * mib, "memory.limit_in_bytes of the control group /"}},
		{"a group outside of what is mounted", map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "0::/../other\n", "proc/self/mountinfo": v2, "sys/fs/cgroup/memory.max": "67108864\n",
		}, MemoryLimit{64 * mib, "memory.max of the control group /"}},
		{"version 1, nested", map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "9:name=systemd:/x\n4:memory,hugetlb:/a/b\n0::/\n", "proc/self/mountinfo": v1 + v2,
			"sys/fs/cgroup/memory/memory.limit_in_bytes":     "9223372036854771712\n",
			"sys/fs/cgroup/memory/a/memory.limit_in_bytes":   "134217728\n",
			"sys/fs/cgroup/memory/a/b/memory.limit_in_bytes": "9223372036854771712\n",
			"sys/fs/cgroup/cpu/a/b/memory.limit_in_bytes":    "1\n",
		}, MemoryLimit{128 * mib, "memory.limit_in_bytes of the control group /a"}},
		{"more than there is", map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "0::/a\n", "proc/self/mountinfo": v2, "sys/fs/cgroup/a/memory.max": "9999999999999\n",
		}, MemoryLimit{1024 * mib, "the machine's memory"}},
		{"a path with a blank", map[string]string{
			"proc/self/cgroup": "0::/a\n", "proc/self/mountinfo": "25 20 0:22 / /c\\040g rw - cgroup2 none rw\n", "c g/a/memory.max": "67108864\n",
		}, MemoryLimit{64 * mib, "memory.max of the control group /a"}},
		{"files that say something else", map[string]string{
			"proc/meminfo": "MemTotal: many kB\n", "proc/self/cgroup": "x\n::\n", "proc/self/mountinfo": "a - b\n" + v2, "sys/fs/cgroup/memory.max": "lots\n",
		}, MemoryLimit{0, "the machine's memory"}},
	} {
		root := fstest.MapFS{}
		for name, text := range c.files {
			root[name] = &fstest.MapFile{Data: []byte(text)}
		}
		if got := memoryLimitIn(root); got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
	}
	if m := FindMemoryLimit(); m.Bytes < mib || m.From == "" {
		t.Errorf("here it is %+v", m)
	}
}

// The parts are less than the whole.
func TestMemoryIsSharedOut(t *testing.T) {
	m := MemoryLimit{Bytes: 150 << 20}
	kernel := int64(m.Sessions()) * sessionBytes
	if m.Sessions() != 4800 || kernel+m.Heap() > m.Bytes || 2*m.Buffers() > m.Heap() {
		t.Errorf("150 MiB: %d sessions, %d bytes of buffers, a heap of %d", m.Sessions(), m.Buffers(), m.Heap())
	}
	if none := (MemoryLimit{}); none.Sessions() != -1 || none.Buffers() != 0 || none.Heap() != 0 {
		t.Errorf("no limit: got %d, %d, %d", none.Sessions(), none.Buffers(), none.Heap())
	}
}
