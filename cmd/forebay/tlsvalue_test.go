package main

import (
	"reflect"
	"strings"
	"testing"

	"forebay/tls/profile"
)

func TestAllowedEntersItsList(t *testing.T) {
	var got profile.Allow
	const pin = "pin:sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
	for _, text := range []string{"dns:a.example", "uri:spiffe://example/a:b", "email:a@example", "cn:Ann: the first", pin} {
		var a allowed
		if err := a.UnmarshalText([]byte(text)); err != nil || a.String() != text {
			t.Fatalf("%s: got %s, %v", text, a, err)
		}
		a.enter(&got)
	}
	var hash profile.Pin
	if err := hash.UnmarshalText([]byte(pin[len("pin:"):])); err != nil {
		t.Fatal(err)
	}
	want := profile.Allow{DNS: []string{"a.example"}, URIs: []string{"spiffe://example/a:b"}, Emails: []string{"a@example"},
		CommonNames: []string{"Ann: the first"}, Pins: []profile.Pin{hash}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestAllowedRefusesWhatNobodyHas(t *testing.T) {
	for text, want := range map[string]string{
		"dns:*.example.com":    "patterns are not known here",
		"dns:web*.example.com": "patterns are not known here",
		"uri:example.org/web":  "a URI begins with its scheme",
		"uri:%":                "a URI begins with its scheme",
		"email:ann":            "on both sides of an @",
		"email:@example.com":   "on both sides of an @",
		"email:ann@":           "on both sides of an @",
	} {
		var a allowed
		if err := a.UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}
