package field

// The word lists of names in prose. They hold common given names of several languages, not everybody's.

var titles = set(`mr mrs ms miss mx dr prof professor sir dame lord lady herr frau fru hr monsieur madame mme mlle señor señora sr sra sig signor signora pan pani rev
	fr capt sgt lt col hon`)

var particles = set(`van von de da di del della der den du la le al bin ibn el ter ten dos das y e of the and`)

var nameLabels = set(`name names fullname patient client customer contact attn attention signed author from cc driver passenger witness doctor nurse`)

// notNames are words that often begin with a capital and are not parts of names.
var notNames = set(`i i'm i'd i'll i've a an the this that these those it it's he she we they you your my his her our their its what what's who whose where when why how
	which there here yes no not and or but if so as at by for from in into of off on onto out over to up with within is are was were be been am do does did has have
	had can could may might must shall should will would please thanks thank dear hi hello hey bot user name names address phone email e-mail mobile desk fax office
	website personal info date billing shipping zip code card credit debit account number iban ssn number order invoice ticket request bank atm mr mrs ms miss dr
	prof monday tuesday wednesday thursday friday saturday sunday january february march april may june july august september october november december
	today tomorrow yesterday need want are any all some none one two three four five new old good great bad best just only also then than very too more most
	mission statement action adventure animation comedy kids family mystery suspense directed title act article union european civil rights country club border
	force entertainment weekly blink producer excuse could can how let meet maybe sometimes follow unlike written celebrating during pedestrians ask
	energetic awarded helped looking capitalized discipline wisdom street road avenue st apt suite unit box psc fpo apo dpo po king's status error warning
	dear sir madam team everyone folks support admin customer client patient doctor nurse coach user agent system server invoice payment subject re fw fwd
	born she's he's don't won't didn't isn't has been had hey sure okay ok once said says see per via note notes answer question reply quote`)

// orgWords end the names of organisations and places, not of people.
var orgWords = set(`inc llc ltd plc gmbh ag sa corp corporation company co group sons partners holdings technologies technology solutions systems consulting consultants
	insurance bank university college school hospital clinic institute foundation association agency services service street road avenue lane drive
	square park bridge river city county village airport station hotel club orchestra band records press times post journal government ministry department
	court church festival league team award awards act law treaty war software labs media tv radio news investments networks energy capital financial`)

// humanVerbs follow the names of people.
var humanVerbs = set(`lives lived said says asked told wrote writes spoke speaks shouted spent began called calls went moved works worked retired married visited complained
	reported agreed refused signed flew listed thinks thought believes wants wanted likes liked felt feels attended requested confirmed phoned
	emailed texted replied answered apologised apologized graduated studied had`)

var family = set(`kid kids child children son daughter wife husband partner mother father brother sister parents family mum mom dad boss address phone email birthday doctor
	appointment record chart killers`)

// ambiguousNames are words of the language too, so that one alone proves nothing.
var ambiguousNames = set(`will mark grace may april june rose hope bill frank art guy jack faith joy dawn summer ruby pearl olive amber crystal christian jordan chase
	drew grant hunter mason miles pat ray rich rob rod sue ted victor wade dale dean don gene glen heath jean jim lance max nick norm pierce skip van violet iris
	ivy holly heather daisy lily melody harmony serenity destiny angel eden paris london dakota virginia georgia carolina florence sydney austin houston
	madison lincoln jackson lane long young king prince duke earl marina rosa sol luz santiago trinidad india china israel chad`)

var givenNames = set(`james john robert michael william david richard joseph thomas charles christopher daniel matthew anthony mark donald steven paul andrew joshua
	kenneth kevin brian george timothy ronald edward jason jeffrey ryan jacob gary nicholas eric jonathan stephen larry justin scott brandon benjamin samuel gregory
	alexander frank patrick raymond jack dennis jerry tyler aaron jose adam nathan henry douglas zachary peter kyle noah ethan jeremy walter christian keith
	roger terry austin sean gerald carl harold dylan arthur lawrence jordan jesse bryan billy bruce gabriel joe logan alan juan albert willie elijah wayne randy
	vincent mason roy ralph bobby russell bradley philip eugene mary patricia jennifer linda elizabeth barbara susan jessica sarah karen lisa nancy
	betty sandra margaret ashley kimberly emily donna michelle carol amanda melissa deborah stephanie rebecca laura helen sharon cynthia kathleen amy angela
	shirley brenda emma anna pamela nicole samantha katherine christine debra rachel carolyn janet maria catherine heather diane olivia julie joyce victoria
	ruth virginia lauren kelly christina joan evelyn judith andrea hannah megan cheryl jacqueline martha madison teresa gloria sara janice ann kathryn abigail
	sophia frances jean alice judy isabella julia grace amber denise danielle marilyn beverly charlotte natalie theresa diana brittany doris kayla alexis lori marie
	ana ivan luka marko josip ivana marija petra nikola filip ante mate hrvoje tomislav zoran goran dragan milan jovan stefan milos vesna jelena mirjana snezana
	hans klaus jürgen jurgen uwe wolfgang dieter manfred günter gunter helmut heinz horst bernd ralf rainer torsten thorsten sven jens lars björn bjorn kai tim jan
	lukas leon finn jonas felix maximilian moritz niklas ursula monika sabine renate birgit petra gabriele claudia heike anja silke katrin kerstin steffen
	stefanie ingrid gisela brigitte helga lena lea mia leonie johanna katharina friedrich karl otto fritz dietrich gerhard jutta antje
	jean pierre michel philippe alain nicolas christophe laurent frédéric frederic olivier pascal thierry éric stéphane stephane françois francois luc guillaume
	mathieu julien antoine sophie nathalie isabelle sylvie catherine françoise francoise martine valérie valerie céline celine aurélie aurelie camille chloé chloe manon
	jacques henri louis marcel rené rene gaston giovanni giuseppe antonio marco francesco luigi andrea alessandro matteo lorenzo luca davide roberto stefano paolo
	giulia francesca chiara sara martina valentina alessia elisa silvia paola giovanna lucia carla antonella rosa fiammetta pietro salvatore enzo carlo mario
	carlos manuel jesús jesus javier francisco antonio josé jose luis miguel pablo sergio fernando jorge alberto alejandro diego andrés andres raúl raul ramón ramon
	carmen dolores pilar isabel lucía ana cristina marta elena raquel sofia sofía paula alba rocío rocio mercedes guadalupe ximena joaquin santiago mateo
	joão joao pedro tiago rui nuno paulo ricardo rafael gustavo fernanda beatriz mariana juliana larissa leticia camila thiago bruno felipe matheus giovana
	jan piotr krzysztof andrzej stanisław stanislaw tomasz paweł pawel marcin michał michal jerzy grzegorz łukasz lukasz adam zbigniew katarzyna małgorzata
	malgorzata agnieszka barbara krystyna ewa elżbieta elzbieta zofia teresa magdalena joanna halina bożena bozena jadwiga ludmiła ludmila alicja kamila kamil
	petr jiri jiří jana pavel tomáš tomas josef martin jaroslav zdeněk zdenek vaclav václav miroslav zuzana lenka hana věra vera alena veronika kateřina katerina
	andrás andras istván istvan lászló laszlo zoltán zoltan ferenc gábor gabor attila péter mária katalin erzsébet ilona judit ágnes agnes zsuzsanna zizi adony
	erik lars karl anders johan per nils mikael jan hans peter olof lennart gunnar sven fredrik bengt bo åke ake kristina margareta birgitta karin ingrid
	astrid linnea elsa freja ebba saga åsa asa emelie emilie victor albert oskar oscar axel anton viktor magnus mattias henrik rasmus mikkel søren soren jens niels jørgen
	ole knud mette kirsten hanne anne pia susanne frederikke ida freja clara signe nanna liv kari marit solveig sigrid ragnhild tor olav
	antti juha matti mikko jari timo kari pekka jukka sari anne päivi paivi tuula ritva leena anette pirkko seija eino einojuhani laine heikki
	ioannis georgios konstantinos dimitrios nikolaos panagiotis vasileios maria eleni aikaterini vasiliki sofia angeliki dimitris giorgos kostas yannis andreas
	mohammed muhammad mohamed ahmed ali hassan hussein omar youssef yusuf ibrahim khalid fatima aisha khadija mariam layla zainab amina salma noor karim tariq samir
	mehmet mustafa emre ayşe ayse fatma elif zeynep murat can deniz cem burak
	vladimir sergei sergey dmitri dmitry alexei aleksandr alexandr andrei andrey nikolai mikhail igor oleg yuri boris viktor olga natalia natasha tatiana irina
	svetlana elena ekaterina anastasia ludmila galina nina larisa vanessa zoya taras oksana bohdan vasyl janina duqyaha
	raj rahul amit sanjay vijay anil sunil ravi suresh ramesh arjun rohan aditya vikram priya anjali pooja neha kavita sunita deepa lakshmi meera asha ananya
	rajesh manish deepak ashok rakesh arun karthik harish shreya divya sneha nisha swati imran farhan
	wei li ming hui jing xin yan lei jun hao chen mei ling xiaoming hiroshi takashi kenji yuki haruto sakura yoko akira satoshi naoko keiko toshimi chise
	ken emi min-jun ji-woo seo-yeon hyun-woo jin-ho nguyen thi minh linh
	kwame kofi ama chidi ngozi amina oluwaseun chinedu thabo sipho zanele nomsa
	eilidh fiona hamish angus callum rory siobhan niamh aoife sean liam conor padraig bridget owen rhys gareth sian cerys bronwen
	jamie leslie robin morgan casey taylor alex charlie sam ben tom tony mike dave steve bob jim joe dan matt chris nick rick kate katie jenny beth liz meg sue
	jill becky abby maggie molly lucy ella zoe isla ava lily poppy freya phoebe harriet florence edith mabel elsie ada ian neil nigel graham clive trevor
	derek stuart malcolm geoffrey cecil basil reginald alfie archie oliver harry leo theo hugo rupert giles fletcher orva leigha clara giovana
	jerzy wiktor kazimierz vivian ahmad cem bruna laurent wim jeroen joost pieter sander maarten bas thijs daan sanne femke lotte anouk marieke
	ruben stijn koen dries fleur lieve sofie rik jef pepijn hendrik willem kees henk johannes corrie greet`)
