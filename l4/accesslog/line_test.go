package accesslog

import (
	"crypto/tls"
	"encoding/json"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"forebay/l4"
	"forebay/pool"
)

func tcp(s string) pool.Address { return pool.TCPAddress(netip.MustParseAddrPort(s)) }

// served is a session that went well at the second try.
func served() *l4.Record {
	return &l4.Record{
		ID: 7, Listener: ":8080", Client: tcp("192.0.2.1:40000"), Via: tcp("192.0.2.8:33000"), Local: tcp("192.0.2.9:8080"),
		Backend: "localhost:8001", Address: tcp("127.0.0.1:8001"),
		Start: time.Date(2026, 3, 4, 5, 6, 7, 89_012_345, time.FixedZone("", 3600)),
		Queue: 0, Connect: 1234 * time.Microsecond, FirstByte: 56 * time.Millisecond, Total: 61*time.Second + 5*time.Microsecond,
		FromClient: 64, ToBackend: 64, FromBackend: 512, ToClient: 500,
		ClientTCP:  l4.PathInfo{RTT: 25 * time.Millisecond, Retransmits: 3, Unacked: 12},
		BackendTCP: l4.PathInfo{RTT: 40 * time.Microsecond},
		Tries: []l4.Try{
			{Backend: "localhost:8000", Address: tcp("[::1]:8000"), Result: pool.Refused, Took: 90 * time.Microsecond},
			{Backend: "localhost:8001", Address: tcp("127.0.0.1:8001"), Result: pool.Served, Took: 1100 * time.Microsecond},
		},
		UniqueID: "ab12", Cause: l4.ClientClosed,
	}
}

// secured is a session that was TLS on both sides, after a backend whose certificate was not good.
func secured() *l4.Record {
	return &l4.Record{
		ID: 9, Listener: ":443", Client: tcp("192.0.2.1:40000"), Route: "*.example.com", ServerName: "www.example.com",
		Backend: "a:1", Address: tcp("10.0.0.1:1"), Start: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC), FirstByte: -1, Cause: l4.ClientTruncated,
		Tries: []l4.Try{
			{Backend: "b:1", Address: tcp("10.0.0.2:1"), Result: pool.TLSFailed, Took: time.Millisecond, Fault: "tls: bad certificate"},
			{Backend: "a:1", Address: tcp("10.0.0.1:1"), Result: pool.Served, Took: time.Millisecond},
		},
		ClientTLS: l4.TLSInfo{Version: tls.VersionTLS13, CipherSuite: tls.TLS_AES_128_GCM_SHA256, Protocol: "h2", Subject: "ann", Resumed: true,
			Took: 2 * time.Millisecond, Fault: "no close_notify"},
		BackendTLS: l4.TLSInfo{Version: tls.VersionTLS12, CipherSuite: tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, ECH: true, Took: 3 * time.Millisecond},
	}
}

// insecure is a session whose handshake failed.
func insecure() *l4.Record {
	return &l4.Record{ID: 10, Listener: ":443", Start: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC), Connect: -1, Cause: l4.HandshakeFailed,
		ClientTLS: l4.TLSInfo{Fault: "tls: no"}}
}

// nameless is a session whose PROXY header was refused.
func nameless() *l4.Record {
	return &l4.Record{ID: 11, Listener: ":80", Start: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC), Connect: -1, Cause: l4.ProxyRefused, Fault: "no PROXY header"}
}

// shed is a session that never had a backend.
func shed() *l4.Record {
	return &l4.Record{
		ID: 8, Listener: "unix:/run/a b.sock", Client: pool.UNIXAddress("@"),
		Start: time.Date(999, 12, 31, 23, 59, 59, 999_999_999, time.UTC), Queue: 5 * time.Second, Connect: -1, Total: 5 * time.Second,
		FromClient: 1, Cause: l4.QueueTimeout,
	}
}

func TestLines(t *testing.T) {
	for _, c := range []struct {
		name   string
		format Format
		record *l4.Record
		want   string
	}{
		{"served", JSON, served(), `{"time":"2026-03-04T04:06:07.089012Z","session":7,"cause":"client-closed","fault":null,"listener":":8080",` +
			`"client":"192.0.2.1:40000","via":"192.0.2.8:33000","local":"192.0.2.9:8080","route":null,"server_name":null,"backend":"localhost:8001","address":"127.0.0.1:8001",` +
			`"tries":[{"backend":"localhost:8000","address":"[::1]:8000","result":"refused","took":0.000090,"fault":null},` +
			`{"backend":"localhost:8001","address":"127.0.0.1:8001","result":"connected","took":0.001100,"fault":null}],` +
			`"queue":0.000000,"connect":0.001234,"first_byte":0.056000,"total":61.000005,` +
			`"from_client":64,"to_backend":64,"from_backend":512,"to_client":500,` +
			`"client_rtt":0.025000,"client_retransmits":3,"client_unacked":12,` +
			`"backend_rtt":0.000040,"backend_retransmits":0,"backend_unacked":0,"client_tls":null,"backend_tls":null,"unique_id":"ab12"}`},
		{"served", Text, served(), `time=2026-03-04T04:06:07.089012Z session=7 cause=client-closed listener=:8080 ` +
			`client=192.0.2.1:40000 via=192.0.2.8:33000 local=192.0.2.9:8080 backend=localhost:8001 address=127.0.0.1:8001 ` +
			`tries=localhost:8000/refused/0.000090,localhost:8001/connected/0.001100 ` +
			`queue=0.000000 connect=0.001234 first_byte=0.056000 total=61.000005 ` +
			`from_client=64 to_backend=64 from_backend=512 to_client=500 ` +
			`client_rtt=0.025000 client_retransmits=3 client_unacked=12 ` +
			`backend_rtt=0.000040 backend_retransmits=0 backend_unacked=0 unique_id=ab12`},
		{"shed", JSON, shed(), `{"time":"0999-12-31T23:59:59.999999Z","session":8,"cause":"queue-timeout","fault":null,` +
			`"listener":"unix:/run/a b.sock","client":"unix:@","via":null,"local":null,"route":null,"server_name":null,"backend":null,"address":null,"tries":null,` +
			`"queue":5.000000,"connect":null,"first_byte":null,"total":5.000000,` +
			`"from_client":1,"to_backend":0,"from_backend":0,"to_client":0,` +
			`"client_rtt":null,"client_retransmits":0,"client_unacked":0,` +
			`"backend_rtt":null,"backend_retransmits":0,"backend_unacked":0,"client_tls":null,"backend_tls":null,"unique_id":null}`},
		{"shed", Text, shed(), `time=0999-12-31T23:59:59.999999Z session=8 cause=queue-timeout listener="unix:/run/a b.sock" ` +
			`client=unix:@ queue=5.000000 total=5.000000 ` +
			`from_client=1 to_backend=0 from_backend=0 to_client=0 client_retransmits=0 client_unacked=0 ` +
			`backend_retransmits=0 backend_unacked=0`},
		{"secured", JSON, secured(), `{"time":"2026-03-04T05:06:07.000000Z","session":9,"cause":"client-truncated","fault":null,"listener":":443",` +
			`"client":"192.0.2.1:40000","via":null,"local":null,"route":"*.example.com","server_name":"www.example.com","backend":"a:1","address":"10.0.0.1:1",` +
			`"tries":[{"backend":"b:1","address":"10.0.0.2:1","result":"tls-failed","took":0.001000,"fault":"tls: bad certificate"},` +
			`{"backend":"a:1","address":"10.0.0.1:1","result":"connected","took":0.001000,"fault":null}],` +
			`"queue":0.000000,"connect":0.000000,"first_byte":null,"total":0.000000,"from_client":0,"to_backend":0,"from_backend":0,"to_client":0,` +
			`"client_rtt":null,"client_retransmits":0,"client_unacked":0,"backend_rtt":null,"backend_retransmits":0,"backend_unacked":0,` +
			`"client_tls":{"version":"1.3","cipher":"TLS_AES_128_GCM_SHA256","alpn":"h2","resumed":true,"ech":false,"subject":"ann","handshake":0.002000,"fault":"no close_notify"},` +
			`"backend_tls":{"version":"1.2","cipher":"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA","alpn":null,"resumed":false,"ech":true,"subject":null,"handshake":0.003000,"fault":null},` +
			`"unique_id":null}`},
		{"secured", Text, secured(), `time=2026-03-04T05:06:07.000000Z session=9 cause=client-truncated listener=:443 client=192.0.2.1:40000 ` +
			`route=*.example.com server_name=www.example.com backend=a:1 address=10.0.0.1:1 ` +
			`tries=b:1/tls-failed/0.001000/"tls: bad certificate",a:1/connected/0.001000 ` +
			`queue=0.000000 connect=0.000000 total=0.000000 from_client=0 to_backend=0 from_backend=0 to_client=0 ` +
			`client_retransmits=0 client_unacked=0 backend_retransmits=0 backend_unacked=0 ` +
			`client_tls_version=1.3 client_tls_cipher=TLS_AES_128_GCM_SHA256 client_tls_alpn=h2 client_tls_resumed=true ` +
			`client_tls_subject=ann client_tls_handshake=0.002000 client_tls_fault="no close_notify" ` +
			`backend_tls_version=1.2 backend_tls_cipher=TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA backend_tls_ech=true backend_tls_handshake=0.003000`},
		{"insecure", Text, insecure(), `time=2026-03-04T05:06:07.000000Z session=10 cause=handshake-failed listener=:443 ` +
			`queue=0.000000 total=0.000000 from_client=0 to_backend=0 from_backend=0 to_client=0 ` +
			`client_retransmits=0 client_unacked=0 backend_retransmits=0 backend_unacked=0 client_tls_fault="tls: no"`},
		{"nameless", Text, nameless(), `time=2026-03-04T05:06:07.000000Z session=11 cause=proxy-refused fault="no PROXY header" listener=:80 ` +
			`queue=0.000000 total=0.000000 from_client=0 to_backend=0 from_backend=0 to_client=0 ` +
			`client_retransmits=0 client_unacked=0 backend_retransmits=0 backend_unacked=0`},
	} {
		if got := string(appendRecord(nil, c.format, c.record)); got != c.want+"\n" {
			t.Errorf("%s as %s: got\n%swant\n%s", c.name, c.format, got, c.want)
		}
	}
}

func TestLostLine(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for format, want := range map[Format]string{
		JSON: `{"time":"2026-01-02T03:04:05.000000Z","lost":9}` + "\n",
		Text: "time=2026-01-02T03:04:05.000000Z lost=9\n",
	} {
		if got := string(appendLost(nil, format, at, 9)); got != want {
			t.Errorf("%s: got %q, want %q", format, got, want)
		}
	}
}

func TestEveryLineHasTheSameKeysInJSON(t *testing.T) {
	for _, r := range []*l4.Record{shed(), secured()} {
		if got, want := keysOf(t, r), keysOf(t, served()); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}

// The list in the package comment is what operators read; it must be true.
func TestDocumentedKeys(t *testing.T) {
	source, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for _, m := range regexp.MustCompile(`(?m)^//\t([a-z_]+)`).FindAllStringSubmatch(string(source), -1) {
		documented = append(documented, m[1])
	}
	if got := keysOf(t, served()); !slices.Equal(got, documented) {
		t.Errorf("a line has %v, the package comment lists %v", got, documented)
	}
}

// keysOf returns the keys of r's JSON line in their order.
func keysOf(t *testing.T, r *l4.Record) []string {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(string(appendRecord(nil, JSON, r))))
	var keys []string
	depth, isKey := 0, true
	for {
		token, err := d.Token()
		if err != nil {
			return keys
		}
		switch delim, _ := token.(json.Delim); {
		case delim == '{' || delim == '[':
			depth++
		case delim == '}' || delim == ']':
			depth--
		}
		if name, ok := token.(string); ok && depth == 1 && isKey {
			keys = append(keys, name)
			isKey = false
		} else if depth == 1 {
			isKey = true
		}
	}
}

func TestSeconds(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                                      "0.000000",
		999 * time.Nanosecond:                  "0.000000",
		time.Microsecond:                       "0.000001",
		time.Second - 1:                        "0.999999",
		90*time.Minute + 1500*time.Millisecond: "5401.500000",
	} {
		if got := string(appendSeconds(nil, d)); got != want {
			t.Errorf("%v: got %s, want %s", d, got, want)
		}
	}
}

func FuzzJSON(f *testing.F) {
	for _, s := range []string{"plain", `q"b\`, "\x00\x1f\n", "é\u2028", "\xff\xfe", "a\xc3"} {
		f.Add(s, s, int64(5))
	}
	f.Fuzz(func(t *testing.T, listener, backend string, took int64) {
		r := served()
		r.Listener, r.Backend, r.Tries[0].Backend, r.Total = listener, backend, backend, time.Duration(took)
		r.ClientTLS.Subject = listener
		r.Client = pool.UNIXAddress(listener)
		text := appendRecord(nil, JSON, r)
		var got struct {
			Listener, Backend, Client string
			Total                     *float64
			Tries                     []struct{ Backend string }
			ClientTLS                 struct{ Subject string } `json:"client_tls"`
		}
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if want := valid(listener); got.Listener != want || !shows(got.ClientTLS.Subject, want) {
			t.Errorf("%q became %q and %q", listener, got.Listener, got.ClientTLS.Subject)
		}
		mustBeVisible(t, text)
		if want := valid(backend); got.Backend != want || got.Tries[0].Backend != want {
			t.Errorf("backend %q became %q and %q", backend, got.Backend, got.Tries[0].Backend)
		}
		if !utf8.Valid(text) || strings.Count(string(text), "\n") != 1 {
			t.Errorf("not one line of UTF-8: %q", text)
		}
	})
}

func FuzzText(f *testing.F) {
	f.Add("a b\n\"=,")
	f.Fuzz(func(t *testing.T, listener string) {
		r := served()
		r.Listener, r.Fault = listener, listener
		text := string(appendRecord(nil, Text, r))
		mustBeVisible(t, []byte(text))
		if strings.Count(text, "\n") != 1 || !strings.HasSuffix(text, "\n") {
			t.Errorf("not one line: %q", text)
		}
	})
}

func BenchmarkLine(b *testing.B) {
	for _, f := range []Format{JSON, Text} {
		b.Run(f.String(), func(b *testing.B) {
			b.ReportAllocs()
			r, buffer := served(), make([]byte, 0, 2048)
			for b.Loop() {
				buffer = appendRecord(buffer[:0], f, r)
			}
			b.SetBytes(int64(len(buffer)))
		})
	}
}

// valid replaces each byte of s that is no UTF-8, as encoding/json does; strings.ToValidUTF8 replaces whole runs of
// them.
func valid(s string) string { return string([]rune(s)) }
