import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as ServerMetadata from "../../src/protocol/ServerMetadata.ts"

const issuer = "https://id.example.com/tenant"
const token_endpoint = "https://id.example.com/token"

const decode = (members: object, from = issuer) =>
  ServerMetadata.decode(from, JSON.stringify({ issuer: from, token_endpoint, ...members }))

const isSafe = (url: string, dangerouslyAllowHttp = false) =>
  ServerMetadata.unsafeEndpoint({ token_endpoint: url }, { dangerouslyAllowHttp }) === undefined

describe("an endpoint", () => {
  it.each([
    ["https://id.example.com/token"],
    ["HTTPS://id.example.com/token?tenant=1"],
    ["http://localhost:8080/token"],
    ["http://127.0.0.1/token"],
    ["http://127.255.0.9:1/token"],
    ["http://[::1]:1/token"]
  ])("may be %s (S259)", (url) => {
    expect(isSafe(url)).toBe(true)
  })

  it.each([
    ["http://id.example.com/token"],
    ["HTTP://id.example.com/token"],
    ["http://127.0.0.1.evil.example/token"],
    ["http://localhost.evil.example/token"],
    ["http://[::ffff:127.0.0.1]/token"],
    ["http://0.0.0.0/token"],
    ["ftp://localhost/token"],
    ["file:///etc/passwd"],
    ["javascript:alert(1)"],
    ["/token"],
    ["id.example.com/token"],
    ["https://"],
    ["https:///token"],
    ["https:id.example.com"],
    [""]
  ])("may not be %j (S259)", (url) => {
    expect(isSafe(url)).toBe(false)
  })

  it("may be an unusual spelling of a loopback address, which is parsed before it is looked at (S259)", () => {
    expect(new URL("http://2130706433/token").hostname).toBe("127.0.0.1")
    expect(isSafe("http://2130706433/token")).toBe(true)
  })

  it.each([
    ["https://u:p@id.example.com/"],
    ["https://u@id.example.com/"],
    ["https://@id.example.com/"],
    ["https://:@id.example.com/"]
  ])("may not have a user: %s (S267)", (url) => {
    expect(isSafe(url)).toBe(false)
  })

  it.each([
    ["https://ex\nample.com/"],
    ["https://example.com/\ttoken"],
    [" https://example.com/"],
    ["https://example.com/ "],
    ["https://example.com/a b"],
    ["https://example.com/\u0000"],
    ["https://exam\u200bple.com/"],
    ["https://example.com\\@evil.example/"],
    ["https://example.com/#x"],
    ["https://example.com/#"]
  ])("may not have spaces, controls or a fragment: %j (S268)", (url) => {
    expect(isSafe(url)).toBe(false)
  })

  it("may be plain http where somebody said so, but nothing worse", () => {
    expect(isSafe("http://id.example.com/token", true)).toBe(true)
    expect(isSafe("ftp://id.example.com/token", true)).toBe(false)
    expect(isSafe("http://u:p@id.example.com/token", true)).toBe(false)
  })
})

describe("the locations of metadata", () => {
  it.each([
    [
      "https://id.example.com",
      "https://id.example.com/.well-known/openid-configuration",
      "https://id.example.com/.well-known/oauth-authorization-server"
    ],
    [
      "https://id.example.com/",
      "https://id.example.com/.well-known/openid-configuration",
      "https://id.example.com/.well-known/oauth-authorization-server"
    ],
    [
      issuer,
      `${issuer}/.well-known/openid-configuration`,
      "https://id.example.com/.well-known/oauth-authorization-server/tenant"
    ],
    [
      `${issuer}/`,
      `${issuer}/.well-known/openid-configuration`,
      "https://id.example.com/.well-known/oauth-authorization-server/tenant"
    ],
    [
      "https://id.example.com:8443/a/b",
      "https://id.example.com:8443/a/b/.well-known/openid-configuration",
      "https://id.example.com:8443/.well-known/oauth-authorization-server/a/b"
    ]
  ])("of %s are known (S261)", (issuer, openid, oauth) => {
    expect(ServerMetadata.locations(issuer)).toEqual([openid, oauth])
  })
})

describe("metadata", () => {
  it("has the endpoints that this library reads, and nothing else", () => {
    const metadata = decode({
      revocation_endpoint: "https://id.example.com/r",
      jwks_uri: null,
      userinfo_endpoint: "",
      other: 1
    })
    expect(metadata).toEqual(Either.right({ issuer, token_endpoint, revocation_endpoint: "https://id.example.com/r" }))
  })

  it.each([[`${issuer}/`], [issuer.toUpperCase()], ["https://evil.example"], [undefined], [null], [7]])(
    "of issuer %j is not ours (S260)",
    (other) => {
      expect(Either.isLeft(decode({ issuer: other }))).toBe(true)
    }
  )

  it.each([
    [{ token_endpoint: undefined }],
    [{ token_endpoint: 7 }],
    [{ token_endpoint: "/token" }],
    [{ token_endpoint: "http://id.example.com/token" }],
    [{ jwks_uri: "http://id.example.com/jwks" }],
    [{ revocation_endpoint: ["https://id.example.com/r"] }]
  ])("with %j is refused", (members) => {
    expect(Either.isLeft(decode(members))).toBe(true)
  })

  it.each([
    "127.0.0.1",
    "localhost",
    "169.254.169.254",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.100.0.1",
    "0.0.0.0",
    "2852039166",
    "0xa9fea9fe",
    "[::1]",
    "[::ffff:10.0.0.1]",
    "[fd00::1]",
    "[fe80::1]",
    "metadata.google.internal"
  ])("of an issuer on the internet may not point to %s (S263)", (host) => {
    const members = { token_endpoint: `https://${host}/token` }
    expect(Either.isLeft(decode(members))).toBe(true)
    expect(Either.isRight(decode(members, "https://10.0.0.1"))).toBe(true)
  })

  it("may point to other hosts on the internet (S263)", () => {
    expect(
      Either.isRight(
        decode({ token_endpoint: "https://oauth2.example.net/token", jwks_uri: "https://172.15.0.1/keys" })
      )
    ).toBe(true)
  })

  it.each([[""], ["<html>"], ["[]"], ["null"]])("that is %j is refused, and not quoted", (document) => {
    expect(ServerMetadata.decode(issuer, document)).toEqual(Either.left("the metadata is not a JSON object"))
  })
})

describe("the endpoints for clients that show a certificate (RFC 8705 §5)", () => {
  it("are those that are named, as far as they are known", () => {
    const aliases = { token_endpoint: "https://mtls.example.com/token", own_endpoint: "https://mtls.example.com/own" }
    expect(Either.getOrThrow(decode({ mtls_endpoint_aliases: aliases })).mtls_endpoint_aliases).toEqual({
      token_endpoint: "https://mtls.example.com/token"
    })
  })

  it.each([["none"], [[]], [null], [undefined]])("are none if the server says %j", (mtls_endpoint_aliases) => {
    expect(Either.getOrThrow(decode({ mtls_endpoint_aliases }))).toEqual({ issuer, token_endpoint })
  })

  it.each([
    ["http://mtls.example.com/token", "is not an absolute https URL"],
    [7, "is not an absolute https URL"],
    ["https://10.0.0.1/token", "points into a private network"]
  ])("are as safe as the others, not %j (S259)", (endpoint, problem) => {
    const decoded = decode({ mtls_endpoint_aliases: { revocation_endpoint: endpoint } })
    expect(Either.getOrThrow(Either.flip(decoded))).toContain(
      `mtls_endpoint_aliases.revocation_endpoint in the metadata ${problem}`
    )
  })
})
