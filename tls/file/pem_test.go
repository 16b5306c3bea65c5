package file

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"
)

// sample returns n blocks of different content and length, one of them being a key with headers.
func sample(n int) (all []pem.Block) {
	for i := range n {
		b := pem.Block{Type: "CERTIFICATE", Bytes: bytes.Repeat([]byte{byte(i), 0xfb, 0xef}, 30+7*i), Headers: map[string]string{}}
		if i == 1 {
			b.Type, b.Headers = "RSA PRIVATE KEY", map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00ff"}
		}
		all = append(all, b)
	}
	return all
}

func encoded(all []pem.Block, between string) string {
	var texts []string
	for _, b := range all {
		texts = append(texts, strings.TrimSuffix(string(pem.EncodeToMemory(&b)), "\n"))
	}
	return strings.Join(texts, between)
}

func same(got []Block, want []pem.Block) bool {
	if len(got) != len(want) {
		return false
	}
	for i, b := range got {
		if b.Type != want[i].Type || !bytes.Equal(b.Bytes, want[i].Bytes) || !maps.Equal(b.Headers, want[i].Headers) {
			return false
		}
	}
	return true
}

// TestBlocksAreFoundAsTheWorldWritesThem has the same three blocks in every form that tools, editors and copying leave
// behind.
func TestBlocksAreFoundAsTheWorldWritesThem(t *testing.T) {
	want := sample(3)
	usual := encoded(want, "\n") + "\n"
	replaced := func(old, new string) string { return strings.ReplaceAll(usual, old, new) }
	utf16le := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(replaced("\n", "\r\n"))) {
		utf16le = append(utf16le, byte(u), byte(u>>8))
	}
	for name, text := range map[string]string{
		"as OpenSSL writes it":       usual,
		"no line end at the end":     encoded(want, "\n"),
		"put together without ends":  encoded(want, ""),
		"blank lines between":        encoded(want, "\n\n \n"),
		"CRLF":                       replaced("\n", "\r\n"),
		"CR":                         replaced("\n", "\r"),
		"CRLF and spaces":            replaced("\n", " \t\r\n"),
		"byte order mark":            "\ufeff" + usual,
		"byte order marks put in":    encoded(want, "\n\ufeff"),
		"UTF-16":                     string(utf16le),
		"spaces of no width":         replaced("\n", "\u200b\n"),
		"indented":                   "    " + replaced("\n", "\n    "),
		"indented by tabs":           "\t" + replaced("\n", "\n\t"),
		"spaces of web pages":        replaced("\n", "\u00a0\n"),
		"bag attributes":             encoded(want, "\nBag Attributes\n    friendlyName: www\n    localKeyID: 54 69\nsubject=/CN=a:b\nissuer=C = DE, CN = x\n"),
		"text in front":              "Certificate:\n    Data:\n        Version: 3 (0x2)\n" + usual,
		"text in front, in its line": "subject=/CN=a" + usual,
		"a comment in its line":      "# the end" + usual,
		"comments":                   "# -----BEGIN CERTIFICATE-----\n" + encoded(want, "\n# ---- BEGIN OF THE CHAIN, BEGIN CERTIFICATE ----\n") + "\n# END CERTIFICATE-----\n",
		"a block commented out":      strings.ReplaceAll("\n"+encoded(sample(1), ""), "\n", "\n# ") + "\n" + usual,
		"the word alone":             "BEGIN CERTIFICATE\nEND KEY\n---- BEGIN ----\n-- BEGIN of a CERTIFICATE --\n" + usual,
		"Latin-1 text":               "f\xfcr uns\n" + usual,
	} {
		path := filepath.Join(t.TempDir(), "file")
		must(t, 0, os.WriteFile(path, []byte(text), 0o600))
		read, err := Read(path)
		must(t, 0, err)
		if got, err := Blocks(read); err != nil || !same(got, want) {
			t.Errorf("%s: got %d blocks, %v, want the %d there are", name, len(got), err, len(want))
		}
	}
}

func TestBlocksOnOneLineAreFound(t *testing.T) {
	want := []pem.Block{sample(1)[0], sample(3)[2]}
	for _, end := range []string{"", " "} {
		if got, err := Blocks([]byte(strings.ReplaceAll(encoded(want, "\n"), "\n", end))); err != nil || !same(got, want) {
			t.Errorf("%q for each line end: got %d blocks, %v", end, len(got), err)
		}
	}
}

func TestBlocksTellTheirLines(t *testing.T) {
	for _, end := range []string{"\n", "\r\n", "\r"} {
		got, err := Blocks([]byte(strings.ReplaceAll("\n"+encoded(sample(2), "\n")+"\n", "\n", end)))
		must(t, 0, err)
		if got[0].Line != 2 || got[1].Line != 6 {
			t.Errorf("%q: got lines %d and %d, want 2 and 6", end, got[0].Line, got[1].Line)
		}
	}
}

// TestDamagedBlocksAreRefused damages the second of three blocks, which the others would hide.
func TestDamagedBlocksAreRefused(t *testing.T) {
	all := []pem.Block{sample(1)[0], sample(1)[0], sample(3)[2]}
	whole := encoded(all, "\n")
	begin, end := "-----BEGIN CERTIFICATE-----\n", "\n-----END CERTIFICATE-----"
	second := strings.LastIndex(strings.TrimSuffix(whole, encoded(all[2:], "")), begin)
	damage := func(old, new string) string { return whole[:second] + strings.Replace(whole[second:], old, new, 1) }
	for name, c := range map[string]struct{ text, want string }{
		"a hyphen lost in front":      {damage("-----BEGIN", "----BEGIN"), "line 5: BEGIN CERTIFICATE has not five hyphens"},
		"all hyphens lost in front":   {damage("-----BEGIN", "BEGIN"), "line 5: BEGIN CERTIFICATE has not five hyphens"},
		"a hyphen lost behind":        {damage("CERTIFICATE-----", "CERTIFICATE----"), "line 5: BEGIN CERTIFICATE has not five hyphens"},
		"a word processor's dashes":   {damage("-----BEGIN CERTIFICATE-----", "——-BEGIN CERTIFICATE——-"), "line 5: BEGIN CERTIFICATE has not five hyphens"},
		"a hyphen lost at the end":    {damage(end, "\n-----END CERTIFICATE----"), "line 8: END CERTIFICATE has not five hyphens"},
		"a hyphen lost before an end": {damage(end, "\n----END CERTIFICATE-----"), "line 8: END CERTIFICATE has not five hyphens"},
		"no BEGIN":                    {damage(begin, ""), "line 7: CERTIFICATE ends there and has not begun"},
		"no END":                      {damage(end, ""), "line 5: CERTIFICATE begins there and does not end before line 8"},
		"another END":                 {damage("END CERTIFICATE", "END X509 CRL"), "line 5: CERTIFICATE begins there and does not end before line 8"},
		"no base64":                   {damage("\n", "\n*"), "line 6: CERTIFICATE, which begins in line 5, is damaged there"},
		"a letter lost":               {damage("APvvAPvv", "APvvAPv"), "line 7: CERTIFICATE, which begins in line 5, is damaged there"},
		"\\n for line ends":           {damage("\n", `\n`), "line 5: CERTIFICATE, which begins in line 5, is damaged there"},
		"cut off":                     {whole[:len(whole)-30], "line 9: CERTIFICATE begins there and does not end: is the file cut off?"},
	} {
		if got, err := Blocks([]byte(c.text)); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: got %d blocks, error %v, want %s", name, len(got), err, c.want)
		}
	}
}

// TestDamageQuotesNothing: what is damaged may be a key.
func TestDamageQuotesNothing(t *testing.T) {
	_, err := Blocks([]byte("-----BEGIN PRIVATE KEY-----\nsecret!\n-----END PRIVATE KEY-----\n"))
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
}

// TestManyBlocksTakeNoSquaredTime would take minutes where each block is looked for from the beginning.
func TestManyBlocksTakeNoSquaredTime(t *testing.T) {
	const n = 100_000
	text := strings.Repeat("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n", n)
	if got, err := Blocks([]byte(text)); len(got) != n || err != nil {
		t.Errorf("got %d blocks, %v, want %d", len(got), err, n)
	}
	if _, err := Blocks(bytes.Repeat([]byte("BEGIN END -"), 1<<18)); err != nil {
		t.Error(err)
	}
}

// FuzzBlocks: whatever is in a file, there are as many blocks as BEGINs, or an error; and none of those that crypto/tls
// would find is missing.
func FuzzBlocks(f *testing.F) {
	f.Add([]byte(encoded(sample(3), "\n")))
	f.Add([]byte(encoded(sample(3), "")))
	f.Add([]byte("# -----BEGIN A-----\n# -----END A-----\n-----BEGIN A-----\nB:c\n d\n\nAAAA\n-----END A-----"))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := Blocks(text)
		if err != nil {
			return
		}
		usual, commented := 0, bytes.Count(text, []byte("#"))
		for b, rest := pem.Decode(text); b != nil; b, rest = pem.Decode(rest) {
			usual++
		}
		if len(got) < usual-commented {
			t.Errorf("got %d blocks, pem.Decode finds %d", len(got), usual)
		}
		if begins := bytes.Count(text, []byte("-----BEGIN CERTIFICATE-----")); len(got) < begins && commented == 0 {
			t.Errorf("got %d blocks of %d", len(got), begins)
		}
	})
}

// FuzzBlocksBetweenText puts blocks together with any text between them.
func FuzzBlocksBetweenText(f *testing.F) {
	f.Add("\n", uint64(1))
	f.Add(" subject: x=y", uint64(2))
	f.Add("#", uint64(3))
	f.Fuzz(func(t *testing.T, between string, seed uint64) {
		if strings.Contains(between, "BEGIN") || strings.Contains(between, "END") || strings.ContainsAny(between, "-#") {
			return
		}
		random := rand.New(rand.NewPCG(seed, 0))
		want := sample(1 + random.IntN(5))
		ends := []string{"\n", "\r\n", "\r"}
		text := strings.ReplaceAll(encoded(want, fmt.Sprint(between)), "\n", ends[random.IntN(3)])
		if got, err := Blocks([]byte(text)); err != nil || !same(got, want) {
			t.Errorf("%q between: got %d blocks, %v, want %d", between, len(got), err, len(want))
		}
	})
}
