package main

import (
	"reflect"
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
