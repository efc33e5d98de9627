#include "textflag.h"

// AVX-512, sixteen independent messages at a time, one in each 32-bit lane: plain FIPS 180-4, with a rotation and any function of three bits in one instruction each. The first 16 words of
// the schedule are transposed from the messages; each word is replaced by the one 16 later once its round is done.

// Registers: Z0-Z7 state; Z8-Z23 schedule; Z24-Z29 scratch; Z30 byte order.

// ROUND leaves the new a in h and the new e in d; the caller turns the names.
#define ROUND(k, w, a, b, c, d, e, f, g, h) \
	VPADDD.BCST k(AX), w, Z24; \
	VPRORD $6, e, Z25; \
	VPRORD $11, e, Z26; \
	VPRORD $25, e, Z27; \
	VMOVDQA32 e, Z28; \
	VPADDD Z24, h, h; \
	VPTERNLOGD $0x96, Z27, Z26, Z25; \
	VPTERNLOGD $0xca, g, f, Z28; \
	VPADDD Z25, h, h; \
	VPRORD $2, a, Z25; \
	VPADDD Z28, h, h; \
	VPRORD $13, a, Z26; \
	VPRORD $22, a, Z27; \
	VPADDD h, d, d; \
	VMOVDQA32 a, Z28; \
	VPTERNLOGD $0x96, Z27, Z26, Z25; \
	VPTERNLOGD $0xe8, c, b, Z28; \
	VPADDD Z25, h, h; \
	VPADDD Z28, h, h

// EXTEND replaces w0 by the word 16 later, from the words 1, 9 and 14 after it.
#define EXTEND(w0, w1, w9, w14) \
	VPRORD $17, w14, Z24; \
	VPRORD $19, w14, Z25; \
	VPSRLD $10, w14, Z26; \
	VPADDD w9, w0, w0; \
	VPRORD $7, w1, Z27; \
	VPRORD $18, w1, Z28; \
	VPSRLD $3, w1, Z29; \
	VPTERNLOGD $0x96, Z26, Z25, Z24; \
	VPTERNLOGD $0x96, Z29, Z28, Z27; \
	VPADDD Z24, w0, w0; \
	VPADDD Z27, w0, w0

// LOAD reads the block of a lane and puts its bytes in order.
#define LOAD(lane, w) \
	MOVQ (8*lane)(R8), R9; \
	VMOVDQU32 (SI)(R9*1), w; \
	VPSHUFB Z30, w, w; \
	ADDQ $64, R9; \
	MOVQ R9, (8*lane)(R8)

// LOADOVER is LOAD with a block laid over it.
#define LOADOVER(lane, w) \
	MOVQ (8*lane)(R8), R9; \
	MOVQ (8*lane)(R12), R13; \
	VMOVDQU32 (SI)(R9*1), w; \
	VPORD (R11)(R13*1), w, w; \
	VPSHUFB Z30, w, w; \
	ADDQ $64, R9; \
	MOVQ R9, (8*lane)(R8)

// QUAD transposes the 4 x 4 words in each quarter of four registers: afterwards they hold words 0, 1, 2 and 3 of each quarter of the four.
#define QUAD(w0, w1, w2, w3) \
	VPUNPCKLDQ w1, w0, Z24; \
	VPUNPCKHDQ w1, w0, Z25; \
	VPUNPCKLDQ w3, w2, Z26; \
	VPUNPCKHDQ w3, w2, Z27; \
	VPUNPCKLQDQ Z26, Z24, w0; \
	VPUNPCKHQDQ Z26, Z24, w1; \
	VPUNPCKLQDQ Z27, Z25, w2; \
	VPUNPCKHQDQ Z27, Z25, w3

// QUARTERS transposes the quarters of four registers.
#define QUARTERS(w0, w1, w2, w3) \
	VSHUFI32X4 $0x88, w1, w0, Z24; \
	VSHUFI32X4 $0xdd, w1, w0, Z25; \
	VSHUFI32X4 $0x88, w3, w2, Z26; \
	VSHUFI32X4 $0xdd, w3, w2, Z27; \
	VSHUFI32X4 $0x88, Z26, Z24, w0; \
	VSHUFI32X4 $0x88, Z27, Z25, w1; \
	VSHUFI32X4 $0xdd, Z26, Z24, w2; \
	VSHUFI32X4 $0xdd, Z27, Z25, w3

#define STATE(op) \
	op(0, Z0); \
	op(64, Z1); \
	op(128, Z2); \
	op(192, Z3); \
	op(256, Z4); \
	op(320, Z5); \
	op(384, Z6); \
	op(448, Z7)

// FETCH takes the state of the lanes that go on, and the initial one of those that begin.
#define FETCH(off, r) \
	VMOVDQU32 off(DI), r; \
	VPBROADCASTD (off/16)(AX), K1, r; \
	VMOVDQU32 r, off(DI)

#define ADD(off, r) VPADDD off(DI), r, r; VMOVDQU32 r, off(DI)

// STORE writes the first or second half of the hashes of every fourth lane.
#define STORE(off, r) \
	VPSHUFB Z30, r, r; \
	VEXTRACTI32X4 $0, r, off(R10); \
	VEXTRACTI32X4 $1, r, (128+off)(R10); \
	VEXTRACTI32X4 $2, r, (256+off)(R10); \
	VEXTRACTI32X4 $3, r, (384+off)(R10)

// func blocks16(s *wideState, sums *[16][32]byte, base *byte, at *[16]int, n int, begin uint16, over *byte, overAt *[16]int)
TEXT ·blocks16(SB), NOSPLIT, $0-64
	MOVQ s+0(FP), DI
	MOVQ sums+8(FP), R10
	MOVQ base+16(FP), SI
	MOVQ at+24(FP), R8
	MOVQ n+32(FP), CX
	KMOVW begin+40(FP), K1
	MOVQ over+48(FP), R11
	MOVQ overAt+56(FP), R12
	VBROADCASTI32X4 ·order(SB), Z30
	LEAQ ·beginning(SB), AX
	STATE(FETCH)

block:
	LEAQ ·constants(SB), AX
	TESTQ R11, R11
	JNZ over
	LOAD(0, Z8)
	LOAD(1, Z9)
	LOAD(2, Z10)
	LOAD(3, Z11)
	LOAD(4, Z12)
	LOAD(5, Z13)
	LOAD(6, Z14)
	LOAD(7, Z15)
	LOAD(8, Z16)
	LOAD(9, Z17)
	LOAD(10, Z18)
	LOAD(11, Z19)
	LOAD(12, Z20)
	LOAD(13, Z21)
	LOAD(14, Z22)
	LOAD(15, Z23)

transpose:
	QUAD(Z8, Z9, Z10, Z11)
	QUAD(Z12, Z13, Z14, Z15)
	QUAD(Z16, Z17, Z18, Z19)
	QUAD(Z20, Z21, Z22, Z23)
	QUARTERS(Z8, Z12, Z16, Z20)
	QUARTERS(Z9, Z13, Z17, Z21)
	QUARTERS(Z10, Z14, Z18, Z22)
	QUARTERS(Z11, Z15, Z19, Z23)
	MOVQ $3, DX

rounds:
	ROUND(0, Z8, Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7)
	EXTEND(Z8, Z9, Z17, Z22)
	ROUND(4, Z9, Z7, Z0, Z1, Z2, Z3, Z4, Z5, Z6)
	EXTEND(Z9, Z10, Z18, Z23)
	ROUND(8, Z10, Z6, Z7, Z0, Z1, Z2, Z3, Z4, Z5)
	EXTEND(Z10, Z11, Z19, Z8)
	ROUND(12, Z11, Z5, Z6, Z7, Z0, Z1, Z2, Z3, Z4)
	EXTEND(Z11, Z12, Z20, Z9)
	ROUND(16, Z12, Z4, Z5, Z6, Z7, Z0, Z1, Z2, Z3)
	EXTEND(Z12, Z13, Z21, Z10)
	ROUND(20, Z13, Z3, Z4, Z5, Z6, Z7, Z0, Z1, Z2)
	EXTEND(Z13, Z14, Z22, Z11)
	ROUND(24, Z14, Z2, Z3, Z4, Z5, Z6, Z7, Z0, Z1)
	EXTEND(Z14, Z15, Z23, Z12)
	ROUND(28, Z15, Z1, Z2, Z3, Z4, Z5, Z6, Z7, Z0)
	EXTEND(Z15, Z16, Z8, Z13)
	ROUND(32, Z16, Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7)
	EXTEND(Z16, Z17, Z9, Z14)
	ROUND(36, Z17, Z7, Z0, Z1, Z2, Z3, Z4, Z5, Z6)
	EXTEND(Z17, Z18, Z10, Z15)
	ROUND(40, Z18, Z6, Z7, Z0, Z1, Z2, Z3, Z4, Z5)
	EXTEND(Z18, Z19, Z11, Z16)
	ROUND(44, Z19, Z5, Z6, Z7, Z0, Z1, Z2, Z3, Z4)
	EXTEND(Z19, Z20, Z12, Z17)
	ROUND(48, Z20, Z4, Z5, Z6, Z7, Z0, Z1, Z2, Z3)
	EXTEND(Z20, Z21, Z13, Z18)
	ROUND(52, Z21, Z3, Z4, Z5, Z6, Z7, Z0, Z1, Z2)
	EXTEND(Z21, Z22, Z14, Z19)
	ROUND(56, Z22, Z2, Z3, Z4, Z5, Z6, Z7, Z0, Z1)
	EXTEND(Z22, Z23, Z15, Z20)
	ROUND(60, Z23, Z1, Z2, Z3, Z4, Z5, Z6, Z7, Z0)
	EXTEND(Z23, Z8, Z16, Z21)
	ADDQ $64, AX
	DECQ DX
	JNZ rounds

	ROUND(0, Z8, Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7)
	ROUND(4, Z9, Z7, Z0, Z1, Z2, Z3, Z4, Z5, Z6)
	ROUND(8, Z10, Z6, Z7, Z0, Z1, Z2, Z3, Z4, Z5)
	ROUND(12, Z11, Z5, Z6, Z7, Z0, Z1, Z2, Z3, Z4)
	ROUND(16, Z12, Z4, Z5, Z6, Z7, Z0, Z1, Z2, Z3)
	ROUND(20, Z13, Z3, Z4, Z5, Z6, Z7, Z0, Z1, Z2)
	ROUND(24, Z14, Z2, Z3, Z4, Z5, Z6, Z7, Z0, Z1)
	ROUND(28, Z15, Z1, Z2, Z3, Z4, Z5, Z6, Z7, Z0)
	ROUND(32, Z16, Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7)
	ROUND(36, Z17, Z7, Z0, Z1, Z2, Z3, Z4, Z5, Z6)
	ROUND(40, Z18, Z6, Z7, Z0, Z1, Z2, Z3, Z4, Z5)
	ROUND(44, Z19, Z5, Z6, Z7, Z0, Z1, Z2, Z3, Z4)
	ROUND(48, Z20, Z4, Z5, Z6, Z7, Z0, Z1, Z2, Z3)
	ROUND(52, Z21, Z3, Z4, Z5, Z6, Z7, Z0, Z1, Z2)
	ROUND(56, Z22, Z2, Z3, Z4, Z5, Z6, Z7, Z0, Z1)
	ROUND(60, Z23, Z1, Z2, Z3, Z4, Z5, Z6, Z7, Z0)
	STATE(ADD)
	DECQ CX
	JNZ block

	// The transposition makes rows of the hashes.
	QUAD(Z0, Z1, Z2, Z3)
	QUAD(Z4, Z5, Z6, Z7)
	STORE(0, Z0)
	STORE(16, Z4)
	STORE(32, Z1)
	STORE(48, Z5)
	STORE(64, Z2)
	STORE(80, Z6)
	STORE(96, Z3)
	STORE(112, Z7)
	VZEROUPPER
	RET

over:
	LOADOVER(0, Z8)
	LOADOVER(1, Z9)
	LOADOVER(2, Z10)
	LOADOVER(3, Z11)
	LOADOVER(4, Z12)
	LOADOVER(5, Z13)
	LOADOVER(6, Z14)
	LOADOVER(7, Z15)
	LOADOVER(8, Z16)
	LOADOVER(9, Z17)
	LOADOVER(10, Z18)
	LOADOVER(11, Z19)
	LOADOVER(12, Z20)
	LOADOVER(13, Z21)
	LOADOVER(14, Z22)
	LOADOVER(15, Z23)
	XORQ R11, R11
	JMP transpose

DATA ·beginning+0(SB)/4, $0x6a09e667
DATA ·beginning+4(SB)/4, $0xbb67ae85
DATA ·beginning+8(SB)/4, $0x3c6ef372
DATA ·beginning+12(SB)/4, $0xa54ff53a
DATA ·beginning+16(SB)/4, $0x510e527f
DATA ·beginning+20(SB)/4, $0x9b05688c
DATA ·beginning+24(SB)/4, $0x1f83d9ab
DATA ·beginning+28(SB)/4, $0x5be0cd19
GLOBL ·beginning(SB), RODATA|NOPTR, $32
