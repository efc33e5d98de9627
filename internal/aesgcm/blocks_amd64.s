#include "textflag.h"

// AES-NI and carry-less multiplication. The key schedule takes the words of the S-box from AESENCLAST, which has a third of the latency of AESKEYGENASSIST. GHASH works on bytes in
// reverse order with the hash key times x, and folds each product with two multiplications by the upper half of the polynomial: Gueron and Kounavis, "Intel Carry-Less
// Multiplication Instruction and its Usage for Computing the GCM Mode" (2014).

// SPREAD makes each word of x the exclusive or of itself and the words below it.
#define SPREAD(x) \
	MOVO x, X4; \
	PSLLDQ $4, X4; \
	PXOR X4, x; \
	MOVO x, X4; \
	PSLLDQ $8, X4; \
	PXOR X4, x

// EVEN makes the next round key of even number in X1 from it and X3; ODD the one of odd number in X3.
#define EVEN(n) \
	MOVO X3, X2; \
	PSHUFB X6, X2; \
	AESENCLAST X5, X2; \
	PSLLL $1, X5; \
	SPREAD(X1); \
	PXOR X2, X1; \
	MOVOU X1, (16*n)(DI)

#define ODD(n) \
	PSHUFD $0xff, X1, X2; \
	AESENCLAST X7, X2; \
	SPREAD(X3); \
	PXOR X2, X3; \
	MOVOU X3, (16*n)(DI)

// func expand(keys *schedule, key *[32]byte)
TEXT ·expand(SB), NOSPLIT, $0-16
	MOVQ keys+0(FP), DI
	MOVQ key+8(FP), SI
	MOVOU (SI), X1
	MOVOU 16(SI), X3
	MOVOU ·rotated<>(SB), X6
	MOVOU ·first<>(SB), X5
	PXOR X7, X7
	MOVOU X1, (DI)
	MOVOU X3, 16(DI)
	EVEN(2)
	ODD(3)
	EVEN(4)
	ODD(5)
	EVEN(6)
	ODD(7)
	EVEN(8)
	ODD(9)
	EVEN(10)
	ODD(11)
	EVEN(12)
	ODD(13)
	EVEN(14)
	RET

#define ROUND(n) \
	MOVOU (16*n)(DI), X4; \
	AESENC X4, X0; \
	AESENC X4, X1; \
	AESENC X4, X2; \
	AESENC X4, X3

// func encrypt(keys *schedule, blocks *byte, n int)
TEXT ·encrypt(SB), NOSPLIT, $0-24
	MOVQ keys+0(FP), DI
	MOVQ blocks+8(FP), SI
	MOVQ n+16(FP), CX

four:
	MOVOU (DI), X4
	MOVOU (SI), X0
	MOVOU 16(SI), X1
	MOVOU 32(SI), X2
	MOVOU 48(SI), X3
	PXOR X4, X0
	PXOR X4, X1
	PXOR X4, X2
	PXOR X4, X3
	ROUND(1)
	ROUND(2)
	ROUND(3)
	ROUND(4)
	ROUND(5)
	ROUND(6)
	ROUND(7)
	ROUND(8)
	ROUND(9)
	ROUND(10)
	ROUND(11)
	ROUND(12)
	ROUND(13)
	MOVOU 224(DI), X4
	AESENCLAST X4, X0
	AESENCLAST X4, X1
	AESENCLAST X4, X2
	AESENCLAST X4, X3
	MOVOU X0, (SI)
	MOVOU X1, 16(SI)
	MOVOU X2, 32(SI)
	MOVOU X3, 48(SI)
	ADDQ $64, SI
	DECQ CX
	JNZ four
	RET

// func hash(out *[16]byte, h, blocks *byte, n int)
TEXT ·hash(SB), NOSPLIT, $0-32
	MOVQ out+0(FP), DI
	MOVQ h+8(FP), DX
	MOVQ blocks+16(FP), SI
	MOVQ n+24(FP), CX
	MOVOU ·reversed<>(SB), X15
	MOVOU ·polynomial<>(SB), X14

	// The hash key times x, in X13.
	MOVOU (DX), X13
	PSHUFB X15, X13
	PSHUFD $0xff, X13, X1
	MOVO X13, X2
	PSRAL $31, X1
	PAND X14, X1
	PSRLL $31, X2
	PSLLDQ $4, X2
	PSLLL $1, X13
	PXOR X1, X13
	PXOR X2, X13
	PXOR X0, X0

block:
	MOVOU (SI), X1
	PSHUFB X15, X1
	PXOR X1, X0
	MOVO X0, X2
	MOVO X0, X3
	MOVO X0, X4
	PCLMULQDQ $0x00, X13, X0
	PCLMULQDQ $0x11, X13, X2
	PCLMULQDQ $0x10, X13, X3
	PCLMULQDQ $0x01, X13, X4
	PXOR X4, X3
	MOVO X3, X4
	PSLLDQ $8, X3
	PSRLDQ $8, X4
	PXOR X3, X0
	PXOR X4, X2
	MOVO X14, X5
	PCLMULQDQ $0x01, X0, X5
	PSHUFD $0x4e, X0, X0
	PXOR X5, X0
	MOVO X14, X5
	PCLMULQDQ $0x01, X0, X5
	PSHUFD $0x4e, X0, X0
	PXOR X5, X0
	PXOR X2, X0
	ADDQ $16, SI
	DECQ CX
	JNZ block

	PSHUFB X15, X0
	MOVOU X0, (DI)
	RET

// func supported() bool
TEXT ·supported(SB), NOSPLIT, $0-1
	MOVL $1, AX
	XORL CX, CX
	CPUID
	ANDL $0x02000202, CX // AES, SSSE3, PCLMULQDQ
	CMPL CX, $0x02000202
	SETEQ ret+0(FP)
	RET

DATA ·rotated<>+0(SB)/8, $0x0c0f0e0d0c0f0e0d // the bytes of the last word, turned by one, in every word
DATA ·rotated<>+8(SB)/8, $0x0c0f0e0d0c0f0e0d
GLOBL ·rotated<>(SB), RODATA|NOPTR, $16

DATA ·first<>+0(SB)/8, $0x0000000100000001 // the first round constant
DATA ·first<>+8(SB)/8, $0x0000000100000001
GLOBL ·first<>(SB), RODATA|NOPTR, $16

DATA ·reversed<>+0(SB)/8, $0x08090a0b0c0d0e0f
DATA ·reversed<>+8(SB)/8, $0x0001020304050607
GLOBL ·reversed<>(SB), RODATA|NOPTR, $16

DATA ·polynomial<>+0(SB)/8, $0x0000000000000001
DATA ·polynomial<>+8(SB)/8, $0xc200000000000000
GLOBL ·polynomial<>(SB), RODATA|NOPTR, $16
