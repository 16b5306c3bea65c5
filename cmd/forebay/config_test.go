package main

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"forebay/l4"
	"forebay/pool"
)

func TestEveryFlagReachesTheServer(t *testing.T) {
	c := read(nil, strings.Fields("--connect-timeout 1s --tries 4 --connect-budget 2s --hedge-after 150ms --source 127.0.0.1 --source ::1 "+
		"--queue-timeout 3s --idle-timeout 4s --half-close-timeout 5s --max-lifetime 6s --lifetime-jitter 7% --user-timeout 8s --keep-alive 9s "+
		"--proxy-out v2 --proxy-tlv crc32c,unique-id --proxy-tlv ssl,alpn,authority,netns --proxy-tlv 0xE0=a,b=c --proxy-tlv 0xf7=d --proxy-in 10.0.0.0/8 --proxy-in 192.0.2.7 --proxy-in unix -l unix:/s --proxy-timeout 2s --proxy-pass-tlv --loops 2 --io-uring off "+
		"--client-conns 1 --client-rate 2/m --accept-rate 3/s --session-upload 4B/s --session-download 5B/s --client-upload 6B/s --client-download 7B/s "+
		"--min-progress 8B/s --min-progress-over 10s --on-limit delay --limit-delay 2s "+
		"--backend-tls --backend-tls-eof strict --tls-cert c --route x.example=b:1 --handshakes 3 --handshake-timeout 13s --hello-timeout 12s a:1")...)
	if err := c.faults.err(); err != nil {
		t.Fatal(err)
	}
	want := &l4.Server{
		Loops:            2,
		ConnectTimeout:   1 * time.Second,
		ConnectBudget:    2 * time.Second,
		Tries:            4,
		HedgeAfter:       150 * time.Millisecond,
		QueueTimeout:     3 * time.Second,
		Sources:          []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")},
		IdleTimeout:      4 * time.Second,
		HalfCloseTimeout: 5 * time.Second,
		MaxLifetime:      6 * time.Second,
		LifetimeJitter:   0.07,
		UserTimeout:      8 * time.Second,
		KeepAlive:        9 * time.Second,
		ProxyOut:         l4.ProxyV2,
		ProxyTLV:         l4.ProxyCRC32C | l4.ProxyUniqueID | l4.ProxyReceived | l4.ProxySSL | l4.ProxyALPN | l4.ProxyAuthority | l4.ProxyNetNS,
		ProxyExtra:       []l4.ProxyField{{Type: 0xe0, Value: []byte("a,b=c")}, {Type: 0xf7, Value: []byte("d")}},
		ProxyIn:          []l4.Range{{Prefix: netip.MustParsePrefix("10.0.0.0/8")}, {Prefix: netip.MustParsePrefix("192.0.2.7/32")}},
		ProxyInUNIX:      true,
		ProxyTimeout:     2 * time.Second,
		Handshakes:       3,
		HandshakeTimeout: 13 * time.Second,
		StrictBackendEOF: true,
		HelloTimeout:     12 * time.Second,
		Limits: l4.Limits{
			ClientConns:     1,
			ClientRate:      l4.Rate{N: 2, Per: time.Minute},
			AcceptRate:      l4.Rate{N: 3, Per: time.Second},
			SessionUpload:   l4.Rate{N: 4, Per: time.Second},
			SessionDownload: l4.Rate{N: 5, Per: time.Second},
			ClientUpload:    l4.Rate{N: 6, Per: time.Second},
			ClientDownload:  l4.Rate{N: 7, Per: time.Second},
			LeastProgress:   l4.Rate{N: 80, Per: 10 * time.Second},
			OnLimit:         l4.Delay,
			LimitDelay:      2 * time.Second,
		},
	}
	compareServers(t, c.config.server(), want)
}

func TestDefaultsAreTheServersOwn(t *testing.T) {
	compareServers(t, defaultConfig().server(), l4.DefaultServer(nil))
}

// compareServers compares what is configuration.
func compareServers(t *testing.T, got, want *l4.Server) {
	t.Helper()
	g, w := reflect.ValueOf(got).Elem(), reflect.ValueOf(want).Elem()
	for i := range g.NumField() {
		field := g.Type().Field(i)
		if field.IsExported() && field.Type.Kind() != reflect.Func && !reflect.DeepEqual(g.Field(i).Interface(), w.Field(i).Interface()) {
			t.Errorf("%s: got %v, want %v", field.Name, g.Field(i), w.Field(i))
		}
	}
}

func TestPoolOptions(t *testing.T) {
	usual := pool.Options{Queue: 1024, Checks: true, SlowStart: 10 * time.Second,
		Ejection: pool.Ejection{After: 5, Share: 0.5, Hold: 5 * time.Second}}
	for args, change := range map[string]func(*pool.Options){
		"":                                     func(*pool.Options) {},
		"--queue 0 --policy least-conn":        func(o *pool.Options) { o.Queue, o.Policy = 0, pool.LeastConn },
		"--policy source":                      func(o *pool.Options) { o.Policy, o.LoadFactor = pool.Source, 1.25 },
		"--policy source --hash-load-factor 0": func(o *pool.Options) { o.Policy = pool.Source },
		"--check off":                          func(o *pool.Options) { o.Checks = false },
		"--initial down --slow-start 0":        func(o *pool.Options) { o.Initial, o.SlowStart = pool.Down, 0 },
		"--when-all-down refuse":               func(o *pool.Options) { o.WhenAllDown = pool.RefuseDown },
		"--panic-threshold 50%":                func(o *pool.Options) { o.Panic = 0.5 },
		"--eject-after 1 --eject-share 10% --eject-slow 4 --eject-hold 1m": func(o *pool.Options) {
			o.Ejection = pool.Ejection{After: 1, Share: 0.1, Slow: 4, Hold: time.Minute}
		},
	} {
		want := usual
		change(&want)
		if got := read(nil, strings.Fields(args+" a:1")...).config.poolOptions(); got != want {
			t.Errorf("%s: got %+v, want %+v", args, got, want)
		}
	}
}
