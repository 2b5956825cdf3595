package main

import (
	"bytes"
	"errors"
	"net/http"
	"os/exec"
	"path"
	"strings"
	"time"
)

// serveCharts serves the files of the newest commit of a bare repository as a static chart repository: `argocd-charts DIR ADDRESS`.
func serveCharts(words []string) int {
	if len(words) != 2 {
		return failed("argocd-charts takes a repository and an address, got %q", words)
	}
	server := &http.Server{Addr: words[1], Handler: committed(words[0]), ReadHeaderTimeout: 10 * time.Second}
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return failed("%v", err)
	}
	return 0
}

// committed answers with the files of a repository's branch main.
func committed(repository string) http.Handler {
	return http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		if request.Method != http.MethodGet && request.Method != http.MethodHead {
			http.Error(answer, "only reading is possible", http.StatusMethodNotAllowed)
			return
		}
		name := strings.TrimPrefix(path.Clean(request.URL.Path), "/")
		var content bytes.Buffer
		command := exec.CommandContext(request.Context(), "git", "--git-dir="+repository, "cat-file", "blob", "refs/heads/main:"+name)
		command.Stdout = &content
		if command.Run() != nil {
			http.NotFound(answer, request)
			return
		}
		answer.Header().Set("Content-Type", "application/octet-stream")
		_, _ = answer.Write(content.Bytes())
	})
}
