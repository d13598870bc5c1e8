/**
 * Private keys in PEM, whatever wrote them, as PKCS#8: the one form that Web Crypto reads.
 *
 * @module
 */
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"

interface Block {
  readonly label: string
  readonly content: string
}

/** The blocks of a PEM text. Environment variables often hold its line breaks as two characters. */
export const blocks = (pem: string): ReadonlyArray<Block> =>
  Array.from(
    pem.replaceAll("\\n", "\n").matchAll(/-----BEGIN ([A-Z0-9 ]+)-----([^]*?)-----END \1-----/g),
    ([, label, content]) => ({ label: label!, content: content! })
  )

/** What a block holds. */
export const derOf = ({ content }: Block): Either.Either<Uint8Array, unknown> =>
  Encoding.decodeBase64(content.replace(/\s/g, ""))

/** PKCS#8 in PEM, or what is wrong. PKCS#1 (`RSA PRIVATE KEY`) and SEC1 (`EC PRIVATE KEY`) are wrapped. */
export const toPkcs8 = (pem: string): Either.Either<string, string> => {
  for (const block of blocks(pem)) {
    const { content, label } = block
    if (!label.endsWith("PRIVATE KEY")) continue
    if (label === "ENCRYPTED PRIVATE KEY" || content.includes("ENCRYPTED")) {
      return Either.left("a private key without a passphrase (decrypt it first: openssl pkcs8 -topk8 -nocrypt)")
    }
    const der = derOf(block)
    if (Either.isLeft(der) || der.right.length === 0) return Either.left(expected)
    switch (label) {
      case "PRIVATE KEY":
        return Either.right(write(der.right))
      case "RSA PRIVATE KEY":
        return Either.right(write(wrap(rsaEncryption, der.right)))
      case "EC PRIVATE KEY": {
        const curve = curveOf(der.right)
        return curve === undefined
          ? Either.left("an EC private key that names its curve")
          : Either.right(write(wrap(sequence(idEcPublicKey, curve), der.right)))
      }
      default:
        return Either.left(expected)
    }
  }
  return Either.left(expected)
}

const expected = "a private key in PEM (PKCS#8, PKCS#1 or SEC1)"

const write = (der: Uint8Array): string =>
  `-----BEGIN PRIVATE KEY-----\n${Encoding.encodeBase64(der)}\n-----END PRIVATE KEY-----`

// DER: a tag, a length, a value

const element = (tag: number, ...values: ReadonlyArray<ArrayLike<number>>): Uint8Array => {
  const value = values.flatMap((value) => Array.from(value))
  const length =
    value.length < 128
      ? [value.length]
      : value.length < 256
        ? [0x81, value.length]
        : [0x82, value.length >> 8, value.length & 255]
  return Uint8Array.from([tag, ...length, ...value])
}

const sequence = (...values: ReadonlyArray<ArrayLike<number>>): Uint8Array => element(0x30, ...values)

/** 1.2.840.113549.1.1.1, without parameters. */
const rsaEncryption = /* @__PURE__ */ sequence([0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1], [0x05, 0])

/** 1.2.840.10045.2.1 */
const idEcPublicKey = [0x06, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1]

/** RFC 5208 §5: version 0, the algorithm, the key. */
const wrap = (algorithm: Uint8Array, key: Uint8Array): Uint8Array =>
  sequence([0x02, 1, 0], algorithm, element(0x04, key))

/** The value of the element at `at`, if it has this tag, and where the next one begins. */
export const open = (
  der: Uint8Array,
  at: number,
  tag: number
): { readonly value: Uint8Array; readonly next: number } | undefined => {
  if (der[at] !== tag) return undefined
  const first = der[at + 1] ?? 0
  const octets = first < 128 ? 0 : first & 127
  const length =
    first < 128 ? first : der.subarray(at + 2, at + 2 + octets).reduce((sum, octet) => sum * 256 + octet, 0)
  const start = at + 2 + octets
  const value = der.subarray(start, start + length)
  return value.length === length ? { value, next: start + length } : undefined
}

/** The curve's object identifier in an ECPrivateKey (RFC 5915 §3): version, key, [0] curve. */
const curveOf = (der: Uint8Array): Uint8Array | undefined => {
  const key = open(der, 0, 0x30)?.value
  const version = key && open(key, 0, 0x02)
  const secret = version && open(key, version.next, 0x04)
  const curve = secret && open(key, secret.next, 0xa0)?.value
  return curve && open(curve, 0, 0x06) ? curve : undefined
}
