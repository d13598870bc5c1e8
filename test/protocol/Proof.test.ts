import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import { describe, expect, it } from "vitest"
import * as Proof from "../../src/protocol/Proof.ts"

const moment = (seconds: number) => DateTime.unsafeMake(seconds * 1000 + 999)

describe("claims", () => {
  it("are those of RFC 9449 §4.1, to the letter", () => {
    const url = "https://server.example.com/token"
    const claims = Proof.claims({ method: "POST", url, id: "-BwC3ESc6acc2lTc", now: moment(1562262616) })
    expect(JSON.stringify(claims)).toBe(
      `{"jti":"-BwC3ESc6acc2lTc","htm":"POST","htu":"https://server.example.com/token","iat":1562262616}`
    )
  })

  it("are those of RFC 9449 §7.1, to the letter", () => {
    const claims = Proof.claims({
      method: "GET",
      url: "https://resource.example.org/protectedresource",
      id: "e1j3V_bKic8-LAEB",
      now: moment(1562262618),
      tokenHash: "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"
    })
    expect(JSON.stringify(claims)).toBe(
      `{"jti":"e1j3V_bKic8-LAEB","htm":"GET","htu":"https://resource.example.org/protectedresource","iat":1562262618,"ath":"fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"}`
    )
  })

  it("hold the nonce that the server wants", () => {
    const claims = Proof.claims({ method: "GET", url: "https://a.example/", id: "1", now: moment(0), nonce: "n0nce" })
    expect(claims).toEqual({ jti: "1", htm: "GET", htu: "https://a.example/", iat: 0, nonce: "n0nce" })
  })
})

it.each([
  ["https://api.example.com/a/b?c=d#e", "https://api.example.com/a/b"],
  ["https://api.example.com?c=d", "https://api.example.com/"],
  ["HTTPS://API.Example.com:443/A/../b%2fc", "https://api.example.com/b%2fc"],
  ["http://[::1]:8080/x/", "http://[::1]:8080/x/"],
  ["https://user:pass@api.example.com/", "https://api.example.com/"]
])("the target of %j is %j (S297)", (url, target) => {
  expect(Proof.target(url)).toBe(target)
})

it.each([
  ["eyJ7S_zG.eyJH0-Z.HX4w-7v", true],
  ["", false],
  ["two words", false],
  [`"`, false],
  ["ü", false],
  ["a\r\nx: y", false],
  ["x".repeat(4_096), true],
  ["x".repeat(4_097), false],
  [undefined, false]
])("the nonce %j is one that can be sent: %j (S297)", (nonce, isOne) => {
  expect(Proof.nonce({ "dpop-nonce": nonce })).toEqual(isOne ? Option.some(nonce) : Option.none())
})

describe("whether a request was refused for want of the nonce alone (S297)", () => {
  const challenge = (text: string) => ({ "www-authenticate": text })

  it.each<[status: number, error: string | undefined, headers: Record<string, string>, wants: boolean]>([
    // Authorization servers say so in the body.
    [400, "use_dpop_nonce", {}, true],
    [401, "use_dpop_nonce", {}, true],
    [200, "use_dpop_nonce", {}, false],
    [503, "use_dpop_nonce", {}, false],
    [400, "invalid_grant", {}, false],
    [401, "", {}, false],
    [401, "invalid_client", challenge(`DPoP error="use_dpop_nonce"`), false],
    // APIs say so in the header.
    [401, undefined, challenge(`DPoP error="use_dpop_nonce"`), true],
    [401, undefined, challenge(`Bearer realm="x", DPoP algs="ES256", error="use_dpop_nonce"`), true],
    [401, undefined, challenge("DPoP"), true],
    [401, undefined, {}, true],
    [401, undefined, challenge(`DPoP error="invalid_token"`), false],
    [401, undefined, challenge(`Bearer error="invalid_token"`), false],
    [401, undefined, challenge(`DPoP error="invalid_dpop_proof"`), false],
    [400, undefined, challenge(`DPoP error="use_dpop_nonce"`), false],
    [403, undefined, challenge(`DPoP error="use_dpop_nonce"`), false],
    [200, undefined, {}, false]
  ])("%j %j %j: %j", (status, error, headers, wants) => {
    expect(Proof.wantsNonce({ status, headers: { ...headers, "dpop-nonce": "n0nce" } }, error)).toBe(wants)
    expect(Proof.wantsNonce({ status, headers }, error)).toBe(false)
  })
})
