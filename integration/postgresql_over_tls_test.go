package integration

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"forebay/l4/l4test"
)

func TestPostgreSQLOverTLS(t *testing.T) {
	t.Parallel()
	pg := startPostgreSQL(t)
	t.Run("passes through", pg.passesThrough)
	t.Run("behind TLS", pg.behindTLS)
	t.Run("asked for TLS at once", pg.askedAtOnce)
}

// psql verifies PostgreSQL's certificate, sslmode=verify-full, through a forebay that passes its bytes on.
func (pg *postgreSQL) passesThrough(t *testing.T) {
	f := start(t, pg.addr)
	if text := pg.psql(t, f, "sslmode=verify-full sslrootcert="+pg.authority.File); !strings.Contains(text, "|TLSv1.3|") {
		t.Errorf("psql does not tell of TLS 1.3:\n%s", text)
	}
	if e := f.Session(); e.FromClient == 0 || e.ToBackend != e.FromClient || e.ClientTLS != (spoken{}) {
		t.Errorf("the log tells of %+v, want bytes that passed as they were", e)
	}
}

// A client reaches a PostgreSQL behind a server that ends TLS, as nginx does here, without TLS of its own, and with one
// that verifies PostgreSQL itself, sslmode=verify-full, within that.
func (pg *postgreSQL) behindTLS(t *testing.T) {
	site := pg.authority.Issue("ender", l4test.Leaf{Names: []string{"127.0.0.1"}})
	ender := freePort(t)
	serveQuietly(t, nginx(t, fmt.Sprintf(`
stream {
	server { listen %s ssl; ssl_certificate %s; ssl_certificate_key %s; ssl_protocols TLSv1.3; proxy_pass %s; }
}`, local(ender), site.CertFile, site.KeyFile, pg.addr)), local(ender))
	f := start(t, "--backend-tls", "--backend-ca", pg.authority.File, local(ender))
	for mode, tells := range map[string]string{
		"sslmode=disable": "|none|",
		"sslmode=verify-full sslrootcert=" + pg.authority.File: "|TLSv1.3|",
	} {
		if text := pg.psql(t, f, mode); !strings.Contains(text, tells) {
			t.Errorf("%s: psql does not tell of %s:\n%s", mode, tells, text)
		}
		if e := f.Session(); e.BackendTLS.Version != "1.3" || e.ClientTLS != (spoken{}) {
			t.Errorf("%s: the log tells of %+v with the backend and %+v with the client", mode, e.BackendTLS, e.ClientTLS)
		}
	}
}

// PostgreSQL up to version 16 wants to be asked in clear before TLS begins. Later ones take it at once, if they agree
// on their protocol by ALPN.
func (pg *postgreSQL) askedAtOnce(t *testing.T) {
	if pg.version(t) >= 17 {
		t.Skip("this PostgreSQL takes TLS at once")
	}
	f := start(t, "--backend-tls", "--backend-ca", pg.authority.File, "--backend-sni", "db.example", pg.addr)
	l4test.Dial(t, f.Addr()).ExpectReset()
	e := f.Session()
	wantCause(t, e, "connect-failed")
	if len(e.Tries) != 1 || e.Tries[0].Result != "tls-failed" {
		t.Errorf("the log tells of the tries %+v, want one whose handshake failed", e.Tries)
	}
}

// version is PostgreSQL's major version.
func (pg *postgreSQL) version(t *testing.T) int {
	t.Helper()
	var major int
	text := output(t, pg.as.command(need(t, "postgres"), "--version"))
	if _, err := fmt.Sscanf(text, "postgres (PostgreSQL) %d.", &major); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	return major
}

// A postgreSQL is a server with a certificate for db.example.
type postgreSQL struct {
	as        account
	addr      string
	authority *l4test.Authority
}

func startPostgreSQL(t *testing.T) *postgreSQL {
	t.Helper()
	pg := &postgreSQL{as: notRoot(t), authority: l4test.NewAuthority(t)}
	site := pg.authority.Issue("db", l4test.Leaf{Names: []string{"db.example"}})
	key := filepath.Join(pg.as.dir, "key")
	text, err := os.ReadFile(site.KeyFile)
	if err == nil {
		err = os.WriteFile(key, text, 0o600) // PostgreSQL takes no other
	}
	if err == nil && pg.as.cred != nil {
		err = os.Chown(key, int(pg.as.cred.Uid), int(pg.as.cred.Gid))
	}
	if err != nil {
		t.Fatal(err)
	}
	pg.addr, _ = servePostgres(t, pg.as, "-c", "ssl=on", "-c", "ssl_cert_file="+site.CertFile, "-c", "ssl_key_file="+key)
	return pg
}

// psql asks the server through f what TLS it speaks with its client, and returns "user|version|": none is the version
// without TLS.
func (pg *postgreSQL) psql(t *testing.T, f *forebay, how string) string {
	t.Helper()
	host, port, _ := net.SplitHostPort(f.Addr())
	return output(t, pg.as.command(need(t, "psql"), "-X", "-A", "-t", "-c", "select user, coalesce(version, 'none'), '' from pg_stat_ssl where pid = pg_backend_pid()",
		fmt.Sprintf("host=db.example hostaddr=%s port=%s user=postgres dbname=postgres %s", host, port, how)))
}
