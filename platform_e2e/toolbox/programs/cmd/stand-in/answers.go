package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"log"
	"math/big"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	// series is the one that a stand-in delivers; platform_e2e/layer/stand_ins.py has its name too.
	series = "platform_e2e_stand_in"
	// handshake is the first byte of a connection with TLS (RFC 8446, ContentType).
	handshake = 22
	idle      = 2 * time.Minute
)

// server answers on each port alike: with TLS where the client begins it, HTTP/1 and HTTP/2, gRPC's health service.
type server struct {
	image string
	http  *http.Server
	tls   *tls.Config
}

func newServer(image string) (*server, error) {
	certificate, err := selfMade()
	if err != nil {
		return nil, err
	}
	made := &server{
		image: image,
		tls:   &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"h2", "http/1.1"}},
	}
	made.http = &http.Server{Handler: made, ReadHeaderTimeout: idle, IdleTimeout: idle, ErrorLog: log.New(quiet{}, "", 0)}
	made.http.Protocols = new(http.Protocols)
	made.http.Protocols.SetHTTP1(true)
	made.http.Protocols.SetHTTP2(true)
	made.http.Protocols.SetUnencryptedHTTP2(true)
	return made, nil
}

// quiet drops what net/http says of clients that speak something else.
type quiet struct{}

func (quiet) Write(text []byte) (int, error) { return len(text), nil }

// accept takes the connections of one port for ever.
func (s *server) accept(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			log.Print(err)
			return
		}
		go s.sort(conn)
	}
}

// sort looks at the first byte. A client that waits to be spoken to keeps its connection.
func (s *server) sort(conn net.Conn) {
	reader := bufio.NewReader(conn)
	first, err := reader.Peek(1)
	if err != nil {
		conn.Close()
		return
	}
	var read net.Conn = peeked{conn, reader}
	if first[0] == handshake {
		// ServeTLS would want a listener of its own; a tls.Conn in Serve speaks HTTP/2 by its ALPN as well.
		read = tls.Server(read, s.tls)
	}
	_ = s.http.Serve(&single{conn: read})
}

func (s *server) ServeHTTP(answer http.ResponseWriter, asked *http.Request) {
	if strings.HasPrefix(asked.Header.Get("Content-Type"), "application/grpc") {
		serveGRPC(answer, asked)
		return
	}
	answer.Header().Set("X-Platform-E2E-Stand-In", s.image)
	if asked.URL.Path == "/metrics" || strings.Contains(asked.Header.Get("Accept"), "openmetrics") {
		answer.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		fmt.Fprintf(answer, "# HELP %s The image that this process stands for.\n# TYPE %s gauge\n%s{image=%q} 1\n", series, series, series, s.image)
		return
	}
	answer.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintf(answer, "a stand-in of platform-e2e for %s\n", s.image)
}

// serveGRPC answers grpc.health.v1.Health/Check with SERVING, and everything else with UNIMPLEMENTED.
func serveGRPC(answer http.ResponseWriter, asked *http.Request) {
	header := answer.Header()
	header.Set("Content-Type", "application/grpc")
	header.Set("Trailer", "Grpc-Status")
	status := "12" // UNIMPLEMENTED
	if asked.URL.Path == "/grpc.health.v1.Health/Check" {
		status = "0"
		// Not compressed, two bytes long: field 1, a varint, is 1.
		_, _ = answer.Write([]byte{0, 0, 0, 0, 2, 8, 1})
	}
	header.Set("Grpc-Status", status)
}

// peeked is a connection of which the beginning was looked at.
type peeked struct {
	net.Conn
	reader *bufio.Reader
}

func (p peeked) Read(into []byte) (int, error) { return p.reader.Read(into) }

// single is a listener that has one connection.
type single struct{ conn net.Conn }

func (s *single) Accept() (net.Conn, error) {
	if s.conn == nil {
		return nil, errors.New("its connection is taken")
	}
	conn := s.conn
	s.conn = nil
	return conn, nil
}

func (s *single) Close() error   { return nil }
func (s *single) Addr() net.Addr { return &net.TCPAddr{} }

// selfMade returns a certificate that no authority has signed.
func selfMade() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "platform-e2e stand-in"},
		DNSNames:     []string{"localhost"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().AddDate(1, 0, 0),
	}
	made, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{made}, PrivateKey: key}, err
}
