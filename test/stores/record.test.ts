import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as fc from "fast-check"
import * as Record from "../../src/internal/record.ts"
import * as Token from "../../src/Token.ts"
import { complete, numbered, oddKeys, written } from "./contract.ts"

const { decode, encode, isSame } = Record.codec(Token.Token, { resemble: Token.isSame })

const record = { key: "me", revision: 1, token: complete, rest: {} }
const text = Either.getOrThrow(encode(record))
const reasonOf = (text: string, key = "me") =>
  Either.match(decode(text, key), { onLeft: ({ reason }) => reason, onRight: () => "none" })
const changed = (members: object) => JSON.stringify({ ...JSON.parse(text), ...members })

describe("a record", () => {
  it("is JSON that says its version, its revision and its key", () => {
    assert.deepStrictEqual(JSON.parse(Either.getOrThrow(encode({ ...record, revision: 3, token: numbered(1) }))), {
      version: 1,
      revision: 3,
      key: "me",
      token: { accessToken: "access-1", tokenType: "bearer", issuedAt: 1, scope: [], extra: {} }
    })
  })

  it("reads as it was written, under any key (S178, S179)", () => {
    for (const key of oddKeys) {
      const read = Either.getOrThrow(decode(Either.getOrThrow(encode({ ...record, key })), key))
      assert.strictEqual(read.key, key)
      assert.deepStrictEqual(written(read.token), written(complete))
    }
  })

  it("reads every secret as it was written, also one that looks as if it had been blotted out (S025)", () => {
    const secret = fc.oneof(fc.constantFrom("<redacted>", "<redacted:token>", "[object Object]", ""), fc.string())
    fc.assert(
      fc.property(secret, secret, secret, (access, refresh, id) => {
        const token = numbered(1, {
          accessToken: Redacted.make(access),
          refreshToken: Option.some(Redacted.make(refresh)),
          idToken: Option.some(Redacted.make(id)),
          extra: Redacted.make({ access, nested: { refresh } })
        })
        const { token: read } = Either.getOrThrow(decode(Either.getOrThrow(encode({ ...record, token })), "me"))
        assert.deepStrictEqual(
          [read.accessToken, ...Option.toArray(read.refreshToken), ...Option.toArray(read.idToken)].map(Redacted.value),
          [access, refresh, id]
        )
        assert.deepInclude(Redacted.value(read.extra), { access, nested: { refresh } })
      })
    )
  })

  it("reads as it was written, whatever the extra members are (S179)", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 10 }), fc.string(), fc.string(), (value, key, name) => {
        const token = numbered(1, {
          extra: Redacted.make(JSON.parse(`{${JSON.stringify(name)}:${JSON.stringify(value)}}`))
        })
        const read = Either.getOrThrow(decode(Either.getOrThrow(encode({ ...record, key, token })), key))
        assert.deepStrictEqual(JSON.stringify(written(read.token)), JSON.stringify(written(token)))
        assert.isTrue(isSame(read.token, token))
        assert.isFalse(isSame(read.token, numbered(2)))
      })
    )
  })

  it("keeps what others have put beside the token, also under a name that means something else (S154, S179)", () => {
    const other = text.replace(/^\{/, '{"__proto__":{"polluted":true},"note":["mine"],')
    const read = Either.getOrThrow(decode(other, "me"))
    const again = Either.getOrThrow(encode({ ...read, revision: 2, token: numbered(2) }))
    assert.include(again, '"__proto__":{"polluted":true}')
    assert.include(again, '"note":["mine"]')
    assert.isUndefined((read as { readonly polluted?: boolean }).polluted)
    assert.isUndefined((read.rest as { readonly polluted?: boolean }).polluted)
  })

  it("of a newer version is refused, not taken for a broken one (S180)", () => {
    for (const version of [2, 999]) assert.strictEqual(reasonOf(changed({ version })), "NewerVersion")
    assert.strictEqual(reasonOf('{"version":999}'), "NewerVersion")
  })

  it("of an older version is brought up to date, one step after the other (S181)", () => {
    const aged = Record.codec(Token.Token, {
      migrations: {
        [-1]: ({ secret, ...rest }) => ({ ...rest, accessToken: secret }),
        [0]: ({ accessToken, ...rest }) => ({
          ...rest,
          revision: 1,
          token: { accessToken, tokenType: "bearer", issuedAt: 0, scope: [] }
        })
      }
    })
    const read = Either.getOrThrow(aged.decode('{"version":-1,"key":"me","secret":"s3cret","note":1}', "me"))
    assert.strictEqual(Redacted.value(read.token.accessToken), "s3cret")
    assert.deepStrictEqual(read.rest, { note: 1 })
    assert.strictEqual(JSON.parse(Either.getOrThrow(aged.encode(read))).version, 1)
    assert.strictEqual(reasonOf('{"version":0,"key":"me"}'), "Corrupt")
  })

  it("that is cut off anywhere is corrupt, and its error quotes nothing of it (S167)", () => {
    for (let length = 0; length < text.length; length++) {
      const result = decode(text.slice(0, length), "me")
      assert.isTrue(Either.isLeft(result))
      if (Either.isLeft(result)) {
        assert.strictEqual(result.left.reason, "Corrupt")
        assert.notInclude(result.left.description, "access")
        assert.notInclude(result.left.description, "refresh")
      }
    }
  })

  it("is corrupt if it is anything else than a record under its key (S167, S184)", () => {
    const wrong: ReadonlyArray<string> = [
      "",
      "\0".repeat(text.length),
      "null",
      "[]",
      `[${text}]`,
      "{}",
      '"text"',
      "1",
      `${text}}`,
      "[".repeat(100_000),
      '{"__proto__":{"version":1}}',
      changed({ version: "1" }),
      changed({ version: 1.5 }),
      changed({ version: null }),
      changed({ key: "you" }),
      changed({ key: undefined }),
      changed({ revision: 0 }),
      changed({ revision: "1" }),
      changed({ token: null }),
      changed({ token: { ...JSON.parse(text).token, accessToken: 1 } }),
      changed({ token: { ...JSON.parse(text).token, issuedAt: 1e300 } })
    ]
    for (const text of wrong) assert.strictEqual(reasonOf(text), "Corrupt", text.slice(0, 60))
    assert.strictEqual(reasonOf(text), "none")
    assert.strictEqual(reasonOf(`\ufeff${text}\n`), "none")
  })

  it("is never written if it could not be read again", () => {
    const cycle: Record<string, unknown> = {}
    cycle["self"] = cycle
    let deep: unknown = 1
    for (let n = 0; n < 200; n++) deep = [deep]
    for (const value of [10n, cycle, deep]) {
      const result = encode({ ...record, token: numbered(1, { extra: Redacted.make({ value }) }) })
      assert.strictEqual(Either.isLeft(result) && result.left.reason, "Unavailable")
    }
  })

  it("has a next revision that can be written, whatever the last one was", () => {
    for (const revision of [1, 2, Number.MAX_SAFE_INTEGER - 1, Number.MAX_SAFE_INTEGER]) {
      const after = Record.next(revision)
      assert.notStrictEqual(after, revision)
      assert.strictEqual(reasonOf(Either.getOrThrow(encode({ ...record, revision: after }))), "none")
    }
  })

  it("holds any answer of a server, however deep it is nested", () => {
    let deep: unknown = 1
    for (let n = 0; n < 62; n++) deep = [deep]
    const token = numbered(1, { extra: Redacted.make({ deep }) })
    assert.strictEqual(reasonOf(Either.getOrThrow(encode({ ...record, token }))), "none")
  })
})
