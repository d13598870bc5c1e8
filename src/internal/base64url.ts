/**
 * Base64url without padding (RFC 7515 §2), as signed and encrypted texts are made of.
 *
 * @module
 */

/**
 * Whether it is what an encoder writes. Decoders forgive more, such as bits in the last character that nothing needs: two texts, one meaning. There is to be
 * one.
 */
export const isCanonical = (text: string): boolean =>
  /^(?:[\w-]{4})*(?:[\w-][AQgw]|[\w-]{2}[AEIMQUYcgkosw048])?$/.test(text)
