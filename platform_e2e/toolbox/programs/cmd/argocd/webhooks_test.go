package main

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
)

func posted(t *testing.T, body string) (received, string) {
	t.Helper()
	var log bytes.Buffer
	answer := httptest.NewRecorder()
	recording(&log).ServeHTTP(answer, httptest.NewRequest("POST", "/on-call", strings.NewReader(body)))
	if answer.Code != 200 {
		t.Fatalf("answered %d", answer.Code)
	}
	var line received
	if err := json.Unmarshal(log.Bytes(), &line); err != nil {
		t.Fatalf("%q: %v", log.String(), err)
	}
	return line, log.String()
}

func TestWebhookIsOneLine(t *testing.T) {
	line, text := posted(t, "{\n \"receiver\": \"on-call\"\n}\n")
	if line.Path != "/on-call" || string(line.Body) != `{"receiver":"on-call"}` || strings.Count(text, "\n") != 1 {
		t.Errorf("got %q", text)
	}
}

func TestWebhookThatIsTooLargeOrNoJSONHasNoBody(t *testing.T) {
	for _, body := range []string{"hello", `"` + strings.Repeat("a", mostOfWebhook) + `"`} {
		if line, _ := posted(t, body); line.Body != nil || line.Size == 0 {
			t.Errorf("got %d bytes of body, size %d", len(line.Body), line.Size)
		}
	}
}

func TestReadingIsNotRecorded(t *testing.T) {
	var log bytes.Buffer
	recording(&log).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	if log.Len() != 0 {
		t.Errorf("got %q", log.String())
	}
}
