package main

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

// pathspec is a pattern as `git ls-files` reads it (gitglossary(7), pathspec; match_pathspec_item of Git's dir.c): it names a file, or
// a directory with all below it, or matches whole names with wildcards, of which each also stands for slashes.
type pathspec struct {
	text  string
	wild  *regexp.Regexp
	every bool
}

func newPathspec(pattern string) (*pathspec, error) {
	if strings.HasPrefix(pattern, ":") {
		return nil, fmt.Errorf("the pattern %q has pathspec magic, which is not read here", pattern)
	}
	if strings.HasPrefix(pattern, "/") {
		return nil, fmt.Errorf("the pattern %q is outside of the repository: Git takes it for an absolute path", pattern)
	}
	text := path.Clean(pattern)
	if text == ".." || strings.HasPrefix(text, "../") {
		return nil, fmt.Errorf("the pattern %q is outside of the repository", pattern)
	}
	if text == "." {
		return &pathspec{every: true}, nil
	}
	if strings.HasSuffix(pattern, "/") {
		text += "/"
	}
	found := &pathspec{text: text}
	if !strings.ContainsAny(text, `*?[\`) {
		return found, nil
	}
	translated, possible := wildmatch(text)
	if !possible {
		return found, nil
	}
	wild, err := regexp.Compile(`\A(?s:` + translated + `)\z`)
	if err != nil {
		return nil, fmt.Errorf("the pattern %q cannot be read: %w", pattern, err)
	}
	found.wild = wild
	return found, nil
}

func (p *pathspec) matches(name string) bool {
	if p.every {
		return true
	}
	if rest, found := strings.CutPrefix(name, p.text); found {
		if rest == "" || strings.HasSuffix(p.text, "/") || strings.HasPrefix(rest, "/") {
			return true
		}
	}
	return p.wild != nil && p.wild.MatchString(name)
}

// wildmatch translates a pattern of Git's wildmatch.c without WM_PATHNAME to a regular expression; false where it matches nothing.
func wildmatch(pattern string) (translated string, possible bool) {
	var written strings.Builder
	for at := 0; at < len(pattern); at++ {
		switch sign := pattern[at]; sign {
		case '*':
			written.WriteString(".*")
		case '?':
			written.WriteString(".")
		case '\\':
			if at++; at == len(pattern) {
				return "", false
			}
			written.WriteString(regexp.QuoteMeta(pattern[at : at+1]))
		case '[':
			set, length := class(pattern[at:])
			if length == 0 {
				return "", false
			}
			written.WriteString(set)
			at += length - 1
		default:
			written.WriteString(regexp.QuoteMeta(pattern[at : at+1]))
		}
	}
	return written.String(), true
}

// named are the classes of characters that Git knows, which regular expressions know too.
var named = regexp.MustCompile(`\A\[:(alnum|alpha|blank|cntrl|digit|graph|lower|print|punct|space|upper|xdigit):\]`)

// class translates the set of characters that a pattern begins with, and returns how long it is there; 0 where it has no end.
func class(pattern string) (translated string, length int) {
	var written strings.Builder
	written.WriteString("[")
	at := 1
	if at < len(pattern) && (pattern[at] == '!' || pattern[at] == '^') {
		written.WriteString("^")
		at++
	}
	for first := true; at < len(pattern); first = false {
		switch sign := pattern[at]; {
		case sign == ']' && !first:
			return written.String() + "]", at + 1
		case named.MatchString(pattern[at:]):
			found := named.FindString(pattern[at:])
			written.WriteString(found)
			at += len(found)
			continue
		case sign == '-' && !first && at+1 < len(pattern) && pattern[at+1] != ']':
			written.WriteString("-")
		case sign == '\\' && at+1 < len(pattern):
			at++
			written.WriteString(regexp.QuoteMeta(pattern[at : at+1]))
		case strings.IndexByte(`[]-^\&~`, sign) >= 0:
			written.WriteString(`\` + string(sign))
		default:
			written.WriteByte(sign)
		}
		at++
	}
	return "", 0
}
