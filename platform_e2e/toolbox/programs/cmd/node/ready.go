package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

// Probe tells whether a program can be used: a Unix or TCP socket takes connections, or a URL answers 200.
type Probe struct {
	Unix string `json:"unix"`
	TCP  string `json:"tcp"`
	URL  string `json:"url"`
	// CA is the file with the authority that the URL's certificate must come from.
	CA string `json:"ca"`
}

const (
	probePause   = 20 * time.Millisecond
	probeTimeout = 2 * time.Second
)

// await returns true once the probe answers, or false once the program is gone.
func (probe *Probe) await(gone <-chan struct{}) bool {
	if probe == nil {
		return true
	}
	client := probe.client()
	tick := time.NewTicker(probePause)
	defer tick.Stop()
	for {
		if probe.answers(client) {
			return true
		}
		select {
		case <-gone:
			return false
		case <-tick.C:
		}
	}
}

func (probe *Probe) answers(client *http.Client) bool {
	if probe.URL != "" {
		answer, err := client.Get(probe.URL)
		if err != nil {
			return false
		}
		defer answer.Body.Close()
		_, _ = io.Copy(io.Discard, answer.Body)
		return answer.StatusCode == http.StatusOK
	}
	network, address := "tcp", probe.TCP
	if probe.Unix != "" {
		network, address = "unix", probe.Unix
	}
	connection, err := net.DialTimeout(network, address, probeTimeout)
	if err != nil {
		return false
	}
	connection.Close()
	return true
}

func (probe *Probe) client() *http.Client {
	trusted := x509.NewCertPool()
	if pem, err := os.ReadFile(probe.CA); err == nil {
		trusted.AppendCertsFromPEM(pem)
	}
	return &http.Client{
		Timeout:   probeTimeout,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}},
	}
}

// retry repeats what fails with the given error for a moment.
func retry(do func() error, passing error) error {
	var err error
	for range 50 {
		if err = do(); !errors.Is(err, passing) {
			return err
		}
		time.Sleep(probePause)
	}
	return err
}
