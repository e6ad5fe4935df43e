"""A browser that fills in the forms of an identity provider. Nothing but the standard library.

arrive START AUTHORITIES NAME    signs in from START, and says where the provider sends the browser back to, without going there
device PAGE AUTHORITIES NAME     confirms a sign-in on another device
token ISSUER AUTHORITIES NAME CLIENT SECRET    an ID token of a client, by a sign-in on another device
"""

import base64
import html.parser
import http.cookiejar
import json
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
STEPS_MAX = 12


class Back(Exception):
    pass


class Forms(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.action, self.fields = None, {}

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "form" and self.action is None and attrs.get("method", "get").lower() == "post":
            self.action = attrs.get("action", "")
        elif tag in ("input", "button") and self.action is not None and attrs.get("name"):
            # Of two buttons the first is pressed: it goes on.
            self.fields.setdefault(attrs["name"], attrs.get("value", ""))


class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, request, fp, code, msg, headers, url):
        if urllib.parse.urlsplit(url).path.endswith("/callback"):
            raise Back(url)
        return super().redirect_request(request, fp, code, msg, headers, url)


class Browser:
    def __init__(self, authorities):
        context = ssl.create_default_context()
        for file in authorities.split(","):
            context.load_verify_locations(file)
        self.jar = http.cookiejar.CookieJar()
        cookies = urllib.request.HTTPCookieProcessor(self.jar)
        self.opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), cookies, Stay())

    def open(self, url, fields=None, headers=None):
        data = None if fields is None else urllib.parse.urlencode(fields).encode()
        with self.opener.open(urllib.request.Request(url, data, headers or {}), timeout=60) as answer:
            return answer.url, answer.read().decode()

    def walk(self, url, name):
        """Goes from form to form until there is none."""
        url, page = self.open(url)
        for _ in range(STEPS_MAX):
            forms = Forms()
            forms.feed(page)
            if forms.action is None:
                return page
            fields = dict(forms.fields)
            if "login" in fields:
                fields |= {"login": name, "password": "any"}
            fields.pop("abort", None)
            url, page = self.open(urllib.parse.urljoin(url, forms.action), fields)
        raise SystemExit("there is no end of forms:\n" + page)


def main():
    verb, where, authorities, name, *more = sys.argv[1:]
    browser = Browser(authorities)
    if verb == "arrive":
        try:
            raise SystemExit("it was not sent back:\n" + browser.walk(where, name))
        except Back as back:
            cookies = {cookie.name: cookie.value for cookie in browser.jar}
            print(json.dumps({"back": str(back), "cookies": cookies}))
    elif verb == "device":
        print(json.dumps({"page": browser.walk(where, name)}))
    elif verb == "token":
        client, secret = more
        proof = {"Authorization": "Basic " + base64.b64encode(f"{client}:{secret}".encode()).decode()}
        begun = json.loads(browser.open(where + "/device/auth", {"scope": "openid"}, proof)[1])
        browser.walk(begun["verification_uri_complete"], name)
        fields = {"grant_type": GRANT, "device_code": begun["device_code"]}
        print(json.dumps(json.loads(browser.open(where + "/token", fields, proof)[1])))


main()
