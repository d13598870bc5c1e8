import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as Challenge from "../../src/protocol/Challenge.ts"

/** As data: scheme, then token68 or the parameters. */
const parse = (header: string | undefined) =>
  Challenge.parse(header).map(({ params, scheme, token68 }) =>
    Option.isSome(token68) ? [scheme, token68.value] : [scheme, Object.fromEntries(params)]
  )

describe("challenges", () => {
  it.each<[header: string | undefined, challenges: ReadonlyArray<unknown>]>([
    [undefined, []],
    ["", []],
    [" , ,\t,", []],
    ["Bearer", [["bearer", {}]]],
    ["bEaReR   ", [["bearer", {}]]],
    [`Bearer realm="x"`, [["bearer", { realm: "x" }]]],
    [`Bearer realm="x", error="invalid_token"`, [["bearer", { realm: "x", error: "invalid_token" }]]],
    [`Bearer REALM\t=  "x" ,,  Error = invalid_token`, [["bearer", { realm: "x", error: "invalid_token" }]]],
    // A comma ends neither a quoted string nor a challenge.
    [
      `Bearer realm="a, b", Basic realm="c"`,
      [
        ["bearer", { realm: "a, b" }],
        ["basic", { realm: "c" }]
      ]
    ],
    [String.raw`Bearer realm="say \"hi, you\" \\ \x"`, [["bearer", { realm: `say "hi, you" \\ x` }]]],
    [`Bearer realm=""`, [["bearer", { realm: "" }]]],
    [
      "Basic, Bearer, DPoP",
      [
        ["basic", {}],
        ["bearer", {}],
        ["dpop", {}]
      ]
    ],
    // RFC 9110 §11.6.1
    [
      `Basic realm="simple", Newauth realm="apps", type=1, title="Login to \\"apps\\""`,
      [
        ["basic", { realm: "simple" }],
        ["newauth", { realm: "apps", type: "1", title: `Login to "apps"` }]
      ]
    ],
    // token68
    ["Negotiate YII==", [["negotiate", "YII=="]]],
    [
      "Negotiate YII==, Bearer",
      [
        ["negotiate", "YII=="],
        ["bearer", {}]
      ]
    ],
    [
      "Negotiate a+/._~-9 , Basic realm=x",
      [
        ["negotiate", "a+/._~-9"],
        ["basic", { realm: "x" }]
      ]
    ],
    [
      "Negotiate, Basic realm=x",
      [
        ["negotiate", {}],
        ["basic", { realm: "x" }]
      ]
    ],
    // RFC 9449 §9, RFC 9728 §5.1
    [
      `DPoP error="use_dpop_nonce", error_description="Resource server requires nonce in DPoP proof"`,
      [["dpop", { error: "use_dpop_nonce", error_description: "Resource server requires nonce in DPoP proof" }]]
    ],
    [
      `Bearer resource_metadata="https://r.example/.well-known/oauth-protected-resource", DPoP algs="ES256 PS256"`,
      [
        ["bearer", { resource_metadata: "https://r.example/.well-known/oauth-protected-resource" }],
        ["dpop", { algs: "ES256 PS256" }]
      ]
    ],
    // A name that is there twice
    [`Bearer error=first, error=second, ERROR=third`, [["bearer", { error: "first" }]]],
    // What servers send beyond the grammar
    [`Bearer error="a" error_description="b"`, [["bearer", { error: "a", error_description: "b" }]]],
    [
      `Bearer authorization_uri=https://l.example/x?y=1, error=e`,
      [["bearer", { authorization_uri: "https://l.example/x?y=1", error: "e" }]]
    ],
    ["Bearer DPoP", [["bearer", "DPoP"]]],
    [
      "Bearer DPoP algs=x",
      [
        ["bearer", {}],
        ["dpop", { algs: "x" }]
      ]
    ],
    // Junk
    [`error="nobody asked"`, []],
    [`"quoted, Basic realm=x", Bearer`, [["bearer", {}]]],
    [
      `Bearer realm="never ends, error="x`,
      [
        ["bearer", { realm: "never ends, error=" }],
        ["x", {}]
      ]
    ],
    [`Bearer error=e, realm="never ends, Basic`, [["bearer", { error: "e" }]]],
    [`Bearer realm="ends with \\`, [["bearer", {}]]],
    [
      `Bearer, =x, "", {}, @ü, DPoP error=e`,
      [
        ["bearer", {}],
        ["dpop", { error: "e" }]
      ]
    ],
    ["Bearer/x y=z", [["bearer", { y: "z" }]]],
    ["Bearer ====, Basic", [["basic", {}]]],
    [`Bearer __proto__=x, constructor=y`, [["bearer", { ["__proto__"]: "x", constructor: "y" }]]]
  ])("%j reads %j (S298)", (header, challenges) => {
    expect(parse(header)).toEqual(challenges)
  })

  const token = fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}$/)
  const value = fc.oneof(token, fc.string())
  const challenge = fc.record({
    scheme: token,
    params: fc.uniqueArray(fc.tuple(token, value), { selector: ([name]) => name.toLowerCase(), maxLength: 4 })
  })
  const quote = (text: string) => `"${text.replaceAll(/["\\]/g, "\\$&")}"`

  it("whatever is written by the grammar is read again (S298)", () => {
    fc.assert(
      fc.property(fc.array(challenge, { maxLength: 5 }), fc.constantFrom(", ", ",", " ,\t, "), (challenges, comma) => {
        const header = challenges
          .map(
            ({ params, scheme }) => `${scheme} ${params.map(([name, value]) => `${name}=${quote(value)}`).join(comma)}`
          )
          .join(comma)
        expect(Challenge.parse(header).map(({ params, scheme }) => [scheme, ...params])).toEqual(
          challenges.map(({ params, scheme }) => [
            scheme.toLowerCase(),
            ...params.map(([name, value]) => [name.toLowerCase(), value])
          ])
        )
      }),
      { numRuns: 500 }
    )
  })

  const shrapnel = fc.array(
    fc.constantFrom(`"`, `\\`, ",", "=", "==", " ", "\t", "Bearer", "error", "a/b", "\u0000", "ü", "{", `=""`, `="x"`),
    { maxLength: 60 }
  )

  it("whatever is written is read without a throw, and holds nothing that was not written (S298)", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          shrapnel.map((parts) => parts.join(""))
        ),
        (header) => {
          for (const { params, scheme } of Challenge.parse(header)) {
            expect(header.toLowerCase()).toContain(scheme)
            for (const [name, value] of params) {
              expect(header.toLowerCase()).toContain(name)
              expect(header.replaceAll("\\", "")).toContain(value.replaceAll("\\", ""))
            }
          }
          Challenge.refusals(header)
        }
      ),
      { numRuns: 2_000 }
    )
  })

  it.each([
    [`Bearer `, `a`, ``],
    [``, `Bearer `, ``],
    [``, `a=`, ``],
    [`Bearer a`, `=`, `x`],
    [`Bearer`, ` `, `x`],
    [`Bearer `, `,`, ``],
    [`Bearer `, ` a`, `=`],
    [`Bearer realm="`, `\\"`, ``],
    [`Bearer realm="`, `\\`, `"`],
    [`Bearer `, `a="",`, ``],
    [`Bearer `, `"`, ``],
    [`Bearer `, `@`, ``],
    [`Bearer `, `"a`, ``]
  ])("%j, then %j a great many times, then %j is looked at a few times per character (S298)", (before, unit, after) => {
    const looks = (size: number) => {
      const header = before + unit.repeat(size / unit.length) + after
      let count = 0
      const counted = new Proxy(new String(header), {
        get: (target, name) => {
          if (typeof name === "string" && /^\d+$/.test(name)) count++
          const member = Reflect.get(target, name) as unknown
          return typeof member === "function"
            ? (...args: ReadonlyArray<unknown>) =>
                name === "slice" && args[0] === 0 ? counted : member.apply(target, args)
            : member
        }
      })
      Challenge.parse(counted as unknown as string)
      return count / header.length
    }
    expect(looks(10_000)).toBeGreaterThan(0)
    expect(looks(10_000)).toBeLessThan(10)
    expect(looks(40_000)).toBeLessThan(10)
  })

  it("no more than 65,536 characters are looked at (S298)", () => {
    expect(Challenge.parse(`${" ".repeat(65_530)}Basic, Bearer`)).toHaveLength(1)
    expect(Challenge.parse("a,".repeat(100_000))).toHaveLength(32_768)
  })
})

describe("refusals", () => {
  const one = (header: string) => {
    const all = Challenge.refusals(header)
    expect(all).toHaveLength(1)
    return all[0]!
  }

  it("only Bearer and DPoP are read as such, in order", () => {
    const schemes = Challenge.refusals("Basic realm=x, DPoP algs=ES256, Negotiate, Bearer").map(({ scheme }) => scheme)
    expect(schemes).toEqual(["dpop", "bearer"])
    expect(Challenge.refusals(undefined)).toEqual([])
  })

  it("says what is wrong, and what the token has to allow", () => {
    const refusal = one(`Bearer error="insufficient_scope", error_description="Not enough", scope="a  b:c"`)
    expect(refusal.error).toEqual(Option.some("insufficient_scope"))
    expect(refusal.description).toEqual(Option.some("Not enough"))
    expect(refusal.scope).toEqual(["a", "b:c"])
    expect(refusal.stepUp).toEqual(Option.none())
  })

  it("says nothing of a request without a token", () => {
    const { description, error, resourceMetadata, scope } = one("Bearer")
    expect([description, error, resourceMetadata]).toEqual([Option.none(), Option.none(), Option.none()])
    expect(scope).toEqual([])
  })

  it.each([
    ["https://r.example/.well-known/oauth-protected-resource", true],
    ["http://127.0.0.1:8080/meta", true],
    ["http://r.example/meta", false],
    ["https://user:pass@r.example/", false],
    ["javascript:alert(1)", false],
    ["/meta", false],
    ["", false]
  ])("the resource's metadata at %j: %j", (url, isKept) => {
    expect(one(`Bearer resource_metadata="${url}"`).resourceMetadata).toEqual(isKept ? Option.some(url) : Option.none())
  })

  it("a stronger login is described as the authorization request needs it", () => {
    const { stepUp } = one(
      `Bearer error="insufficient_user_authentication", error_description="A different login is needed", max_age="5", acr_values="phr  mfa"`
    )
    expect(Option.map(stepUp, ({ acrValues, maxAge }) => [acrValues, Option.map(maxAge, Duration.toSeconds)])).toEqual(
      Option.some([["phr", "mfa"], Option.some(5)])
    )
  })

  it.each(["", "-1", "1.5", "5 s", "1e3", "99999999999", "Infinity"])("an age of %j is none", (age) => {
    const { stepUp } = one(`DPoP error=insufficient_user_authentication, max_age="${age}"`)
    expect(Option.map(stepUp, ({ acrValues, maxAge }) => [acrValues, maxAge])).toEqual(Option.some([[], Option.none()]))
  })

  it("an age or a class without the code that goes with it means nothing", () => {
    expect(one(`Bearer error="invalid_token", max_age=5, acr_values=mfa`).stepUp).toEqual(Option.none())
  })

  it.each([`bad\u0007code`, "two words", "x".repeat(65), "ü", ""])("the code %j is none", (code) => {
    expect(one(`Bearer error="${code}"`).error).toEqual(Option.none())
  })

  it("a description is fit for a terminal", () => {
    const { description } = one(`Bearer error_description="\u001b[31mred\u202e ${"x".repeat(500)}"`)
    expect(Option.getOrThrow(description)).toMatch(/^\[31mred x+$/)
    expect(Option.getOrThrow(description)).toHaveLength(256)
  })
})

describe("Challenge.refusalIn", () => {
  it("is the first challenge with a code", () => {
    const challenge = `Bearer realm="x", Basic error="no", DPoP error="invalid_token", Bearer error="insufficient_scope"`
    const refusal = Option.getOrThrow(Challenge.refusalIn({ "www-authenticate": challenge }))
    expect([refusal.scheme, refusal.error]).toEqual(["dpop", Option.some("invalid_token")])
  })

  it.each([{}, { "www-authenticate": undefined }, { "www-authenticate": "Bearer" }])("is none in %j", (headers) => {
    expect(Challenge.refusalIn(headers)).toEqual(Option.none())
  })
})
