// What every column of text is held to. Each rule is judged for one value; docs/guide/inspection.md lists them.

rule eicar
{
    strings:
        // The test file of antivirus programs, by its bytes, so that this file is not taken for it.
        $file = { 58 35 4F 21 50 25 40 41 50 5B 34 5C 50 5A 58 35 34 28 50 5E 29 37 43 43 29 37 7D 24 45 49 43 41 52 }
    condition:
        $file
}

rule private_key
{
    strings:
        $pem = /-----BEGIN ([A-Z0-9]{1,20} ){0,2}PRIVATE KEY( BLOCK)?-----/
        $putty = "PuTTY-User-Key-File-"
    condition:
        any of them
}

rule aws_access_key
{
    strings:
        $long = /\b(AKIA|ASIA)[A-Z2-7]{16}\b/
    condition:
        $long
}

rule web_shell
{
    strings:
        $php = "<?php" nocase
        $echo = "<?="
        $php_runs = /\b(eval|assert|system|passthru|shell_exec|popen|proc_open|pcntl_exec|create_function|base64_decode|gzinflate|str_rot13)\s{0,8}\(/ nocase
        $php_asks = /\$_(GET|POST|REQUEST|COOKIE|SERVER|FILES)\b/
        $jsp = "<%"
        $jsp_runs = /getRuntime\(\)\s{0,8}\.\s{0,8}exec|java\.lang\.ProcessBuilder|new ProcessBuilder\s{0,8}\(/
        $asp_runs = /\b(eval|execute)\s{0,8}\(?\s{0,8}request\b/ nocase
    condition:
        (($php or $echo) and ($php_runs or $php_asks)) or ($jsp and ($jsp_runs or $asp_runs))
}

rule log4shell
{
    strings:
        $plain = "${jndi:" nocase
        // Letters hidden by nested look-ups, as ${${lower:j}ndi:...} and ${${::-j}ndi:...}.
        $nested = /\$\{[a-z0-9:\-]{0,12}\$\{(lower|upper|env|sys|date|main|ctx|java|base64|::|[a-z0-9_]{0,16}:-)/ nocase
    condition:
        any of them
}

rule encoded_program
{
    strings:
        // A program of Windows in Base64, by its header and by the sentence that it holds; of Linux by its header.
        $header = /TVqQAAMAAAAEAAAA|TVpQAAIAAAAEAA8A|TVqAAAEAAAAEABAA/
        $sentence = "This program cannot be run in DOS mode" base64
        $elf = "f0VMRgIBAQAAAAAAAAAA"
    condition:
        any of them
}

rule office_macro
{
    strings:
        // A compound document in Base64, and the source of a macro that begins by itself and starts something.
        $document = "0M8R4KGxGuEAAAAAAAAA"
        $begins = /\bSub (Auto_?Open|Auto_?Close|Auto_?Exec|Document_Open|Document_Close|Workbook_Open)\b/ nocase
        $starts = /\b(Shell|CreateObject|GetObject|ShellExecute|URLDownloadToFile)\b/ nocase
    condition:
        $document or ($begins and $starts)
}
