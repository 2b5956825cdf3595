package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// mostOfWebhook is how many bytes of a request are kept; platform_e2e/foundations/alert_receiver.py has it for its other server too.
const mostOfWebhook = 256 << 10

// received is one request; one whose body is no JSON, or larger, has no body.
type received struct {
	At   string          `json:"at"`
	Path string          `json:"path"`
	Size int64           `json:"size"`
	Body json.RawMessage `json:"body,omitempty"`
}

// serveWebhooks writes each request that has a body as one line of JSON to its log: `argocd-webhooks ADDRESS`.
func serveWebhooks(words []string) int {
	if len(words) != 1 {
		return failed("argocd-webhooks takes an address, got %q", words)
	}
	server := &http.Server{Addr: words[0], Handler: recording(os.Stdout), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second}
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return failed("%v", err)
	}
	return 0
}

// recording answers everything with 200, once a request with a body is written.
func recording(log io.Writer) http.Handler {
	var lines sync.Mutex
	return http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		if request.Method != http.MethodPost {
			return
		}
		line := received{At: time.Now().UTC().Format(time.RFC3339Nano), Path: request.URL.Path}
		text, err := io.ReadAll(io.LimitReader(request.Body, mostOfWebhook+1))
		if err != nil {
			http.Error(answer, err.Error(), http.StatusBadRequest)
			return
		}
		line.Size = int64(len(text))
		var compact bytes.Buffer
		if len(text) <= mostOfWebhook && json.Compact(&compact, text) == nil {
			line.Body = compact.Bytes()
		}
		written, err := json.Marshal(line)
		if err != nil {
			http.Error(answer, err.Error(), http.StatusInternalServerError)
			return
		}
		lines.Lock()
		defer lines.Unlock()
		fmt.Fprintf(log, "%s\n", written)
	})
}
