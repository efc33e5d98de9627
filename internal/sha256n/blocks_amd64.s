#include "textflag.h"

// Intel SHA extensions, two independent messages at a time: one message alone leaves the units idle for most of the latency of its rounds. The sequence for one
// message is that of Intel's "SHA Extensions" white paper (2013). A state is kept as the instructions want it, [F E B A] and [H G D C] from low to high.

// Registers: X0 round input; X1 X2 state, X3-X6 message of the first; X7 X8 state, X9-X12 message of the second; X13 scratch; X14 byte order.

#define LOAD(off, p, m) \
	MOVOU off(p), m; \
	PSHUFB X14, m

#define ROUNDS(k, m, s0, s1) \
	MOVO m, X0; \
	PADDD k(AX), X0; \
	SHA256RNDS2 X0, s0, s1; \
	PSHUFD $0x0e, X0, X0; \
	SHA256RNDS2 X0, s1, s0

// EXTEND finishes the next four words of the schedule, in n, from the newest, m, and the ones before it, l.
#define EXTEND(l, m, n) \
	MOVO m, X13; \
	PALIGNR $4, l, X13; \
	PADDD X13, n; \
	SHA256MSG2 m, n

#define ADD(p, s0, s1) \
	MOVOU (p), X13; \
	PADDD X13, s0; \
	MOVOU s0, (p); \
	MOVOU 16(p), X13; \
	PADDD X13, s1; \
	MOVOU s1, 16(p)

// func blocks2(s0 *state, p0 *byte, s1 *state, p1 *byte, n int)
TEXT ·blocks2(SB), NOSPLIT, $0-40
	MOVQ s0+0(FP), DI
	MOVQ p0+8(FP), SI
	MOVQ s1+16(FP), R8
	MOVQ p1+24(FP), R9
	MOVQ n+32(FP), CX
	LEAQ ·constants(SB), AX
	MOVOU ·order(SB), X14
	MOVOU (DI), X1
	MOVOU 16(DI), X2
	MOVOU (R8), X7
	MOVOU 16(R8), X8

block:
	LOAD(0, SI, X3)
	LOAD(0, R9, X9)
	ROUNDS(0, X3, X1, X2)
	ROUNDS(0, X9, X7, X8)
	LOAD(16, SI, X4)
	LOAD(16, R9, X10)
	ROUNDS(16, X4, X1, X2)
	ROUNDS(16, X10, X7, X8)
	SHA256MSG1 X4, X3
	SHA256MSG1 X10, X9
	LOAD(32, SI, X5)
	LOAD(32, R9, X11)
	ROUNDS(32, X5, X1, X2)
	ROUNDS(32, X11, X7, X8)
	SHA256MSG1 X5, X4
	SHA256MSG1 X11, X10
	LOAD(48, SI, X6)
	LOAD(48, R9, X12)
	ROUNDS(48, X6, X1, X2)
	ROUNDS(48, X12, X7, X8)
	EXTEND(X5, X6, X3)
	EXTEND(X11, X12, X9)
	SHA256MSG1 X6, X5
	SHA256MSG1 X12, X11
	ROUNDS(64, X3, X1, X2)
	ROUNDS(64, X9, X7, X8)
	EXTEND(X6, X3, X4)
	EXTEND(X12, X9, X10)
	SHA256MSG1 X3, X6
	SHA256MSG1 X9, X12
	ROUNDS(80, X4, X1, X2)
	ROUNDS(80, X10, X7, X8)
	EXTEND(X3, X4, X5)
	EXTEND(X9, X10, X11)
	SHA256MSG1 X4, X3
	SHA256MSG1 X10, X9
	ROUNDS(96, X5, X1, X2)
	ROUNDS(96, X11, X7, X8)
	EXTEND(X4, X5, X6)
	EXTEND(X10, X11, X12)
	SHA256MSG1 X5, X4
	SHA256MSG1 X11, X10
	ROUNDS(112, X6, X1, X2)
	ROUNDS(112, X12, X7, X8)
	EXTEND(X5, X6, X3)
	EXTEND(X11, X12, X9)
	SHA256MSG1 X6, X5
	SHA256MSG1 X12, X11
	ROUNDS(128, X3, X1, X2)
	ROUNDS(128, X9, X7, X8)
	EXTEND(X6, X3, X4)
	EXTEND(X12, X9, X10)
	SHA256MSG1 X3, X6
	SHA256MSG1 X9, X12
	ROUNDS(144, X4, X1, X2)
	ROUNDS(144, X10, X7, X8)
	EXTEND(X3, X4, X5)
	EXTEND(X9, X10, X11)
	SHA256MSG1 X4, X3
	SHA256MSG1 X10, X9
	ROUNDS(160, X5, X1, X2)
	ROUNDS(160, X11, X7, X8)
	EXTEND(X4, X5, X6)
	EXTEND(X10, X11, X12)
	SHA256MSG1 X5, X4
	SHA256MSG1 X11, X10
	ROUNDS(176, X6, X1, X2)
	ROUNDS(176, X12, X7, X8)
	EXTEND(X5, X6, X3)
	EXTEND(X11, X12, X9)
	SHA256MSG1 X6, X5
	SHA256MSG1 X12, X11
	ROUNDS(192, X3, X1, X2)
	ROUNDS(192, X9, X7, X8)
	EXTEND(X6, X3, X4)
	EXTEND(X12, X9, X10)
	SHA256MSG1 X3, X6
	SHA256MSG1 X9, X12
	ROUNDS(208, X4, X1, X2)
	ROUNDS(208, X10, X7, X8)
	EXTEND(X3, X4, X5)
	EXTEND(X9, X10, X11)
	ROUNDS(224, X5, X1, X2)
	ROUNDS(224, X11, X7, X8)
	EXTEND(X4, X5, X6)
	EXTEND(X10, X11, X12)
	ROUNDS(240, X6, X1, X2)
	ROUNDS(240, X12, X7, X8)
	ADD(DI, X1, X2)
	ADD(R8, X7, X8)
	ADDQ $64, SI
	ADDQ $64, R9
	DECQ CX
	JNZ block
	RET

// func supported() bool
TEXT ·supported(SB), NOSPLIT, $0-1
	XORL AX, AX
	CPUID
	CMPL AX, $7
	JLT no
	MOVL $1, AX
	XORL CX, CX
	CPUID
	ANDL $0x00080200, CX // SSE4.1, SSSE3
	CMPL CX, $0x00080200
	JNE no
	MOVL $7, AX
	XORL CX, CX
	CPUID
	SHRL $29, BX // SHA
	ANDL $1, BX
	MOVB BX, ret+0(FP)
	RET
no:
	MOVB $0, ret+0(FP)
	RET

DATA ·order+0(SB)/8, $0x0405060700010203
DATA ·order+8(SB)/8, $0x0c0d0e0f08090a0b
GLOBL ·order(SB), RODATA|NOPTR, $16

DATA ·constants+0(SB)/4, $0x428a2f98
DATA ·constants+4(SB)/4, $0x71374491
DATA ·constants+8(SB)/4, $0xb5c0fbcf
DATA ·constants+12(SB)/4, $0xe9b5dba5
DATA ·constants+16(SB)/4, $0x3956c25b
DATA ·constants+20(SB)/4, $0x59f111f1
DATA ·constants+24(SB)/4, $0x923f82a4
DATA ·constants+28(SB)/4, $0xab1c5ed5
DATA ·constants+32(SB)/4, $0xd807aa98
DATA ·constants+36(SB)/4, $0x12835b01
DATA ·constants+40(SB)/4, $0x243185be
DATA ·constants+44(SB)/4, $0x550c7dc3
DATA ·constants+48(SB)/4, $0x72be5d74
DATA ·constants+52(SB)/4, $0x80deb1fe
DATA ·constants+56(SB)/4, $0x9bdc06a7
DATA ·constants+60(SB)/4, $0xc19bf174
DATA ·constants+64(SB)/4, $0xe49b69c1
DATA ·constants+68(SB)/4, $0xefbe4786
DATA ·constants+72(SB)/4, $0x0fc19dc6
DATA ·constants+76(SB)/4, $0x240ca1cc
DATA ·constants+80(SB)/4, $0x2de92c6f
DATA ·constants+84(SB)/4, $0x4a7484aa
DATA ·constants+88(SB)/4, $0x5cb0a9dc
DATA ·constants+92(SB)/4, $0x76f988da
DATA ·constants+96(SB)/4, $0x983e5152
DATA ·constants+100(SB)/4, $0xa831c66d
DATA ·constants+104(SB)/4, $0xb00327c8
DATA ·constants+108(SB)/4, $0xbf597fc7
DATA ·constants+112(SB)/4, $0xc6e00bf3
DATA ·constants+116(SB)/4, $0xd5a79147
DATA ·constants+120(SB)/4, $0x06ca6351
DATA ·constants+124(SB)/4, $0x14292967
DATA ·constants+128(SB)/4, $0x27b70a85
DATA ·constants+132(SB)/4, $0x2e1b2138
DATA ·constants+136(SB)/4, $0x4d2c6dfc
DATA ·constants+140(SB)/4, $0x53380d13
DATA ·constants+144(SB)/4, $0x650a7354
DATA ·constants+148(SB)/4, $0x766a0abb
DATA ·constants+152(SB)/4, $0x81c2c92e
DATA ·constants+156(SB)/4, $0x92722c85
DATA ·constants+160(SB)/4, $0xa2bfe8a1
DATA ·constants+164(SB)/4, $0xa81a664b
DATA ·constants+168(SB)/4, $0xc24b8b70
DATA ·constants+172(SB)/4, $0xc76c51a3
DATA ·constants+176(SB)/4, $0xd192e819
DATA ·constants+180(SB)/4, $0xd6990624
DATA ·constants+184(SB)/4, $0xf40e3585
DATA ·constants+188(SB)/4, $0x106aa070
DATA ·constants+192(SB)/4, $0x19a4c116
DATA ·constants+196(SB)/4, $0x1e376c08
DATA ·constants+200(SB)/4, $0x2748774c
DATA ·constants+204(SB)/4, $0x34b0bcb5
DATA ·constants+208(SB)/4, $0x391c0cb3
DATA ·constants+212(SB)/4, $0x4ed8aa4a
DATA ·constants+216(SB)/4, $0x5b9cca4f
DATA ·constants+220(SB)/4, $0x682e6ff3
DATA ·constants+224(SB)/4, $0x748f82ee
DATA ·constants+228(SB)/4, $0x78a5636f
DATA ·constants+232(SB)/4, $0x84c87814
DATA ·constants+236(SB)/4, $0x8cc70208
DATA ·constants+240(SB)/4, $0x90befffa
DATA ·constants+244(SB)/4, $0xa4506ceb
DATA ·constants+248(SB)/4, $0xbef9a3f7
DATA ·constants+252(SB)/4, $0xc67178f2
GLOBL ·constants(SB), RODATA|NOPTR, $256
