package main

import (
	"strings"
	"testing"
)

func TestDrainOrders(t *testing.T) {
	for text, want := range map[string]string{
		"127.0.0.1:8001":                                         "127.0.0.1:8001,idle=5s,spread=2m,deadline=10m",
		"127.0.0.1:8000-8003,idle=1s":                            "127.0.0.1:8000-8003,idle=1s,spread=2m,deadline=10m",
		"[2001:DB8::1]:5432,deadline=1h,spread=0":                "[2001:db8::1]:5432,idle=5s,spread=0,deadline=1h",
		"db.example:5432,idle=0,deadline=0":                      "db.example:5432,idle=0,spread=2m,deadline=0",
		"db.example:5432,spread=1h,deadline=0":                   "db.example:5432,idle=5s,spread=1h,deadline=0",
		"db.example:5432(10.0.0.7),spread=1m":                    "db.example:5432(10.0.0.7),idle=5s,spread=1m,deadline=10m",
		"db.example:5432(2001:db8::7)":                           "db.example:5432(2001:db8::7),idle=5s,spread=2m,deadline=10m",
		"unix:/run/app(1).sock":                                  "unix:/run/app(1).sock,idle=5s,spread=2m,deadline=10m",
		"unix:@app#1,idle=2s":                                    "unix:@app#1,idle=2s,spread=2m,deadline=10m",
		"127.0.0.1:8001,deadline=30s":                            "127.0.0.1:8001,idle=5s,spread=15s,deadline=30s",
		"127.0.0.1:8001,spread=20m":                              "127.0.0.1:8001,idle=5s,spread=20m,deadline=40m",
		"127.0.0.1:8001,spread=8760h":                            "127.0.0.1:8001,idle=5s,spread=8760h,deadline=17520h",
		"127.0.0.1:8001,deadline=2m,spread=2m":                   "127.0.0.1:8001,idle=5s,spread=2m,deadline=2m",
		"127.0.0.1:8001,idle=5s,spread=2m,deadline=10m":          "127.0.0.1:8001,idle=5s,spread=2m,deadline=10m",
		"127.0.0.1:8001,deadline=10m,idle=1m30s,spread=1h0m0.5s": "",
	} {
		var o drainOrder
		err := o.UnmarshalText([]byte(text))
		if got := o.String(); err == nil && got != want || (err != nil) != (want == "") {
			t.Errorf("%s: got %s (%v), want %s", text, got, err, want)
		}
	}
}

func TestFaultyDrainOrders(t *testing.T) {
	for text, want := range map[string]string{
		"":                                     "nothing is written",
		"127.0.0.1":                            "no port",
		"127.0.0.1:8003-8000":                  "runs backward",
		"db:5432(10.0.0.7":                     `"db:5432(10.0.0.7" is no backend`,
		"db:5432(ten)":                         "is no backend",
		"db(10.0.0.7)":                         "no port",
		"a:1,":                                 "a comma with no option after it",
		"a:1,idle":                             "write idle=TIME",
		"a:1,idle=":                            "is no duration",
		"a:1,idle=5":                           "write 5s or 5m",
		"a:1,idle=-5s":                         `option idle: "-5s" is negative`,
		"a:1,spraed=5s":                        "did you mean spread?",
		"a:1,weight=5":                         "there are idle=TIME, spread=TIME, deadline=TIME",
		"a:1,spread=5s,spread=5s":              "option spread is there twice",
		"a:1,deadline=9000h":                   "more than a year",
		"a:1,spread=2m,deadline=1m":            "deadline=1m comes before spread=2m is over: write a later deadline, or a shorter spread",
		"127.0.0.1:8001 idle=5s":               "there is a space in it",
		"127.0.0.1:8001,idle=5s 127.0.0.1:802": "is no duration",
	} {
		o := drainOrder{}
		if err := o.UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want an error with %q", text, err, want)
		}
	}
}

func FuzzDrainOrder(f *testing.F) {
	for _, text := range []string{"127.0.0.1:8001", "127.0.0.1:8000-8003,idle=5s,spread=2m,deadline=10m", "db.example:5432(10.0.0.7),deadline=0", "unix:@a(b)",
		"[::1%lo]:80,spread=8760h", "a:1(::ffff:10.0.0.1),idle=0.5ns"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var o, again drainOrder
		if o.UnmarshalText([]byte(text)) != nil {
			return
		}
		if o.how.deadline != 0 && o.how.spread > o.how.deadline || o.how.idle < 0 || o.how.spread < 0 || o.how.deadline < 0 {
			t.Errorf("%q has the times %v", text, o.how)
		}
		written := o.String()
		long := o.how.deadline > longestDrain // one that follows from the spread can't be written
		if err := again.UnmarshalText([]byte(written)); !long && (err != nil || again != o) {
			t.Errorf("%q is written %q, and that is read as %q (%v)", text, written, again.String(), err)
		}
		if len(o.places()) == 0 {
			t.Errorf("%q stands for nothing", text)
		}
	})
}
