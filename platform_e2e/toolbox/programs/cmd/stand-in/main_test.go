package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

func listening(t *testing.T) string {
	t.Helper()
	answers, err := newServer("quay.io/acme/api:1")
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go answers.accept(listener)
	return listener.Addr().String()
}

func client(protocols ...func(*http.Protocols)) *http.Client {
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, Protocols: new(http.Protocols)}
	for _, set := range protocols {
		set(transport.Protocols)
	}
	return &http.Client{Transport: transport}
}

func http1(p *http.Protocols) { p.SetHTTP1(true) }
func http2(p *http.Protocols) { p.SetHTTP2(true) }
func h2c(p *http.Protocols)   { p.SetUnencryptedHTTP2(true) }

func TestAnswersHTTPAndTLSOnOnePort(t *testing.T) {
	address := listening(t)
	for _, scheme := range []string{"http", "https"} {
		for _, path := range []string{"/healthz", "/metrics"} {
			answer, err := client(http1).Get(fmt.Sprintf("%s://%s%s", scheme, address, path))
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(answer.Body)
			answer.Body.Close()
			if answer.StatusCode != http.StatusOK || !strings.Contains(string(body), "quay.io/acme/api:1") {
				t.Errorf("%s %s: %d %s", scheme, path, answer.StatusCode, body)
			}
			if got := strings.Contains(string(body), series+"{"); got != (path == "/metrics") {
				t.Errorf("%s %s: %s", scheme, path, body)
			}
		}
	}
}

func TestAnswersTheHealthServiceOfGRPC(t *testing.T) {
	address := listening(t)
	for _, asking := range []struct {
		scheme   string
		protocol func(*http.Protocols)
	}{{"http", h2c}, {"https", http2}} {
		url := fmt.Sprintf("%s://%s/grpc.health.v1.Health/Check", asking.scheme, address)
		answer, err := client(asking.protocol).Post(url, "application/grpc", strings.NewReader("\x00\x00\x00\x00\x00"))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if string(body) != "\x00\x00\x00\x00\x02\x08\x01" || answer.Trailer.Get("Grpc-Status") != "0" {
			t.Errorf("%s: %q %v", asking.scheme, body, answer.Trailer)
		}
	}
}

func TestKeepsAConnectionThatIsNotSpokenTo(t *testing.T) {
	conn, err := net.Dial("tcp", listening(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("\x00\x00\x00\x08")); err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

func TestTakesItsDutiesAsOneArgument(t *testing.T) {
	duties, err := read([]string{`{"image": "a", "ends": true, "tcp": [80]}`})
	if err != nil || duties.Image != "a" || !duties.Ends || len(duties.TCP) != 1 {
		t.Errorf("%v %v", duties, err)
	}
	if _, err := read(nil); err == nil {
		t.Error("no argument is taken")
	}
}
