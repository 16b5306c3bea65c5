package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"forebay/tls/profile"
)

// makeECHKey makes a key for Encrypted Client Hello in a new file, and prints the parameter for the DNS.
func makeECHKey(e *env, _ *commandLine, operands []string) error {
	var f faults
	if len(operands) != 2 {
		f.addf("", "ech-key takes the public name and a file to make: forebay ech-key www.example.com ech.pem")
		return f.err()
	}
	name, path := operands[0], operands[1]
	key, err := profile.NewECHKey(name)
	if err != nil {
		f.add("", err)
		return f.err()
	}
	if err := writeKey(key, path); err != nil {
		f.add("", err)
		return f.err()
	}
	fmt.Fprintln(e.stdout, key.DNS())
	return nil
}

// writeKey writes key to a new file that only its owner can read. It does not overwrite a file, which may hold keys in
// use.
func writeKey(key *profile.ECHKey, path string) error {
	text, err := key.PEM()
	if err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already; write the new key to a file of its own, and put both together", path)
	}
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	return errors.Join(err, file.Close())
}
